"""Paper: letters as PDF, and codes read back from scans."""
