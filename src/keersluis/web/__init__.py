"""The first page: until when everything is complete, the gates, the decisions, in words for people."""
