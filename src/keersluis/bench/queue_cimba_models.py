"""The models of the benchmark in Cimba's language, which it compiles; importing this needs Cimba.

Each in two styles: with processes, as its documentation shows, and with events and rings of our own, which costs it
less because no process is switched. The benchmark holds ours against the faster of the two.
"""

import cimba as cb
from cimba import inputs

from keersluis.bench.queue_model import PLAIN, RATE, RETURN

FIRST, SECOND, THIRD = RETURN.kinds
BAND = 1048576.0
"""What a class adds to the moment of arrival in the priority store, which holds one number an item."""
RING = 4096
"""Items of a class that can wait at once in a ring: a power of two."""
SERVICE = 1 / RATE


class PlainProcesses(cb.Model):
    gap: cb.Input[float] = inputs.dist.exponential(mean=1 / PLAIN.rate)
    service: cb.Input[float] = inputs.dist.exponential(mean=SERVICE)
    until: cb.Param[float] = PLAIN.until
    since: cb.Param[float] = PLAIN.since
    queue: cb.Store[float]
    n0: cb.Output[int]
    w0: cb.Output[float]

    def __init__(self) -> None:
        self.queue = cb.Store()

    @cb.on_start
    def begin(self) -> None:
        self.n0 = 0
        self.w0 = 0.0

    @cb.process
    def arrivals(self) -> None:
        cb.hold(self.gap.next())
        while cb.now() <= self.until:
            self.queue.put(cb.now())
            cb.hold(self.gap.next())

    @cb.process(copies=5)
    def server(self) -> None:
        while True:
            came = self.queue.get()
            if came >= self.since:
                self.n0 += 1
                self.w0 += cb.now() - came
            cb.hold(self.service.next())


class PlainEvents(cb.Model):
    gap: cb.Input[float] = inputs.dist.exponential(mean=1 / PLAIN.rate)
    service: cb.Input[float] = inputs.dist.exponential(mean=SERVICE)
    until: cb.Param[float] = PLAIN.until
    since: cb.Param[float] = PLAIN.since
    ring: cb.Array[float] = cb.Array(RING)
    busy: cb.Output[int]
    first: cb.Output[int]
    last: cb.Output[int]
    n0: cb.Output[int]
    w0: cb.Output[float]

    @cb.on_start
    def begin(self) -> None:
        self.busy = 0
        self.first = 0
        self.last = 0
        self.n0 = 0
        self.w0 = 0.0
        cb.schedule(self.arrive, self.gap.next())

    @cb.event
    def arrive(self) -> None:
        if cb.now() <= self.until:
            if self.busy < 5:
                self.busy += 1
                if cb.now() >= self.since:
                    self.n0 += 1
                cb.schedule(self.done, self.service.next())
            else:
                self.ring[self.last & 4095] = cb.now()
                self.last += 1
            cb.schedule(self.arrive, self.gap.next())

    @cb.event
    def done(self) -> None:
        if self.first < self.last:
            came = self.ring[self.first & 4095]
            self.first += 1
            if came >= self.since:
                self.n0 += 1
                self.w0 += cb.now() - came
            cb.schedule(self.done, self.service.next())
        else:
            self.busy -= 1


class ReturnProcesses(cb.Model):
    g0: cb.Input[float] = inputs.dist.exponential(mean=1 / FIRST.rate)
    g1: cb.Input[float] = inputs.dist.exponential(mean=1 / SECOND.rate)
    g2: cb.Input[float] = inputs.dist.exponential(mean=1 / THIRD.rate)
    service: cb.Input[float] = inputs.dist.exponential(mean=SERVICE)
    stock0: cb.Param[int] = FIRST.stock
    stock1: cb.Param[int] = SECOND.stock
    stock2: cb.Param[int] = THIRD.stock
    opens: cb.Param[float] = THIRD.opens
    until: cb.Param[float] = RETURN.until
    queue: cb.PriorityStore[float]
    n0: cb.Output[int]
    n1: cb.Output[int]
    n2: cb.Output[int]
    w0: cb.Output[float]
    w1: cb.Output[float]
    w2: cb.Output[float]

    def __init__(self) -> None:
        self.queue = cb.PriorityStore()

    @cb.on_start
    def begin(self) -> None:
        self.n0 = 0
        self.n1 = 0
        self.n2 = 0
        self.w0 = 0.0
        self.w1 = 0.0
        self.w2 = 0.0

    @cb.process
    def arrivals0(self) -> None:
        for _ in range(self.stock0):
            self.queue.put(cb.now(), 2)
        cb.hold(self.g0.next())
        while cb.now() <= self.until:
            self.queue.put(cb.now(), 2)
            cb.hold(self.g0.next())

    @cb.process
    def arrivals1(self) -> None:
        for _ in range(self.stock1):
            self.queue.put(cb.now() + BAND, 1)
        cb.hold(self.g1.next())
        while cb.now() <= self.until:
            self.queue.put(cb.now() + BAND, 1)
            cb.hold(self.g1.next())

    @cb.process
    def arrivals2(self) -> None:
        held = self.stock2
        came = self.g2.next()
        while came <= self.opens:
            held += 1
            came += self.g2.next()
        cb.hold(self.opens)
        for _ in range(held):
            self.queue.put(cb.now() + 2 * BAND, 0)
        cb.hold(came - self.opens)
        while cb.now() <= self.until:
            self.queue.put(cb.now() + 2 * BAND, 0)
            cb.hold(self.g2.next())

    @cb.process(copies=5)
    def server(self) -> None:
        while True:
            item = self.queue.get()
            if item < BAND:
                self.n0 += 1
                self.w0 += cb.now() - item
            elif item < 2 * BAND:
                self.n1 += 1
                self.w1 += cb.now() - item + BAND
            else:
                self.n2 += 1
                self.w2 += cb.now() - item + 2 * BAND
            cb.hold(self.service.next())


class ReturnEvents(cb.Model):
    g0: cb.Input[float] = inputs.dist.exponential(mean=1 / FIRST.rate)
    g1: cb.Input[float] = inputs.dist.exponential(mean=1 / SECOND.rate)
    g2: cb.Input[float] = inputs.dist.exponential(mean=1 / THIRD.rate)
    service: cb.Input[float] = inputs.dist.exponential(mean=SERVICE)
    stock0: cb.Param[int] = FIRST.stock
    stock1: cb.Param[int] = SECOND.stock
    stock2: cb.Param[int] = THIRD.stock
    opens: cb.Param[float] = THIRD.opens
    until: cb.Param[float] = RETURN.until
    ring0: cb.Array[float] = cb.Array(RING)
    ring1: cb.Array[float] = cb.Array(RING)
    ring2: cb.Array[float] = cb.Array(RING)
    busy: cb.Output[int]
    came: cb.Output[float]
    a0: cb.Output[int]
    a1: cb.Output[int]
    a2: cb.Output[int]
    n0: cb.Output[int]
    n1: cb.Output[int]
    n2: cb.Output[int]
    w0: cb.Output[float]
    w1: cb.Output[float]
    w2: cb.Output[float]

    @cb.on_start
    def begin(self) -> None:
        self.busy = 5
        self.n0 = 0
        self.n1 = 0
        self.n2 = 0
        self.w0 = 0.0
        self.w1 = 0.0
        self.w2 = 0.0
        self.a0 = self.stock0
        self.a1 = self.stock1
        self.a2 = 0
        for n in range(self.stock0):
            self.ring0[n] = 0.0
        for n in range(self.stock1):
            self.ring1[n] = 0.0
        for _ in range(5):
            cb.schedule(self.done, 0.0)
        cb.schedule(self.arrive0, self.g0.next())
        cb.schedule(self.arrive1, self.g1.next())
        cb.schedule(self.release, self.opens)

    @cb.event
    def release(self) -> None:
        held = self.stock2
        came = self.g2.next()
        while came <= self.opens:
            held += 1
            came += self.g2.next()
        for n in range(held):
            self.ring2[n] = cb.now()
        self.a2 = held
        while self.busy < 5 and held > 0:
            self.busy += 1
            held -= 1
            cb.schedule(self.done, 0.0)
        cb.schedule(self.arrive2, came - cb.now())

    @cb.event
    def arrive0(self) -> None:
        if cb.now() <= self.until:
            if self.busy < 5:
                self.busy += 1
                self.a0 += 1
                self.n0 += 1
                cb.schedule(self.done, self.service.next())
            else:
                self.ring0[self.a0 & 4095] = cb.now()
                self.a0 += 1
            cb.schedule(self.arrive0, self.g0.next())

    @cb.event
    def arrive1(self) -> None:
        if cb.now() <= self.until:
            if self.busy < 5:
                self.busy += 1
                self.a1 += 1
                self.n1 += 1
                cb.schedule(self.done, self.service.next())
            else:
                self.ring1[self.a1 & 4095] = cb.now()
                self.a1 += 1
            cb.schedule(self.arrive1, self.g1.next())

    @cb.event
    def arrive2(self) -> None:
        if cb.now() <= self.until:
            if self.busy < 5:
                self.busy += 1
                self.a2 += 1
                self.n2 += 1
                cb.schedule(self.done, self.service.next())
            else:
                self.ring2[self.a2 & 4095] = cb.now()
                self.a2 += 1
            cb.schedule(self.arrive2, self.g2.next())

    @cb.event
    def done(self) -> None:
        if self.n0 < self.a0:
            self.w0 += cb.now() - self.ring0[self.n0 & 4095]
            self.n0 += 1
            cb.schedule(self.done, self.service.next())
        elif self.n1 < self.a1:
            self.w1 += cb.now() - self.ring1[self.n1 & 4095]
            self.n1 += 1
            cb.schedule(self.done, self.service.next())
        elif self.n2 < self.a2:
            self.w2 += cb.now() - self.ring2[self.n2 & 4095]
            self.n2 += 1
            cb.schedule(self.done, self.service.next())
        else:
            self.busy -= 1
