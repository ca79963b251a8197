import CEpoll
import Glibc

/// Something with a descriptor that a poller watches.
protocol PollTarget: AnyObject {
    /// There is something to read, or the connection has ended.
    func becameReadable()
    /// There is room to write, or a connection attempt has ended.
    func becameWritable()
    /// Called once after a round in which it asked for it with `flushLater`.
    func flush()
}

/// One thread's sockets and timers.
///
/// In a round everything that can be read is read first, and what was written meanwhile leaves
/// after it: ten thousand clients share a thread here, and one's answers must not make the next
/// one's news late.
final class Poller {
    private static let roundEvents = 1_024

    private let epoll: CInt
    private var events = [epoll_event](repeating: epoll_event(), count: Poller.roundEvents)
    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    private var dirty: [any PollTarget] = []
    private var timers = TimerHeap()

    private struct Slot {
        var target: (any PollTarget)?
        /// Tells a descriptor's late events from those of the slot's next one.
        var generation: UInt32 = 0
    }

    /// Where a watched descriptor is known.
    struct Registration {
        fileprivate let descriptor: CInt
        fileprivate let slot: Int
        fileprivate let generation: UInt32
    }

    struct Interest: OptionSet {
        let rawValue: UInt32
        static let reading = Interest(rawValue: EPOLLIN.rawValue)
        static let writing = Interest(rawValue: EPOLLOUT.rawValue)
    }

    init() {
        epoll = epoll_create1(CInt(EPOLL_CLOEXEC))
        precondition(epoll >= 0, "epoll_create1 failed with errno \(errno)")
    }

    // MARK: - Descriptors

    func watch(_ descriptor: CInt, for interest: Interest, _ target: any PollTarget) -> Registration
    {
        let slot = freeSlots.popLast() ?? slots.count
        if slot == slots.count { slots.append(Slot()) }
        slots[slot].target = target
        let registration = Registration(
            descriptor: descriptor,
            slot: slot,
            generation: slots[slot].generation
        )
        control(EPOLL_CTL_ADD, registration, interest)
        return registration
    }

    func change(_ registration: Registration, to interest: Interest) {
        control(EPOLL_CTL_MOD, registration, interest)
    }

    /// Closes the descriptor too.
    func close(_ registration: Registration) {
        slots[registration.slot].target = nil
        slots[registration.slot].generation &+= 1
        freeSlots.append(registration.slot)
        _ = Glibc.close(registration.descriptor)
    }

    private func control(_ operation: CInt, _ registration: Registration, _ interest: Interest) {
        var event = epoll_event()
        event.events = interest.rawValue
        event.data.u64 = UInt64(registration.generation) << 32 | UInt64(registration.slot)
        let result = epoll_ctl(epoll, operation, registration.descriptor, &event)
        precondition(result == 0, "epoll_ctl failed with errno \(errno)")
    }

    func flushLater(_ target: any PollTarget) { dirty.append(target) }

    // MARK: - Time

    func schedule(after delay: UInt64, _ body: @escaping () -> Void) {
        timers.insert(at: Clock.now() + delay, body)
    }

    /// Works until the condition holds; false when the deadline came first.
    func run(until deadline: UInt64 = .max, _ isDone: () -> Bool) -> Bool {
        flushDirty()
        while !isDone() {
            let now = Clock.now()
            if now >= deadline { return false }
            while let body = timers.takeDue(at: now) { body() }
            flushDirty()
            if isDone() { break }
            round(waitingUntil: min(deadline, timers.next ?? .max))
        }
        return true
    }

    private func round(waitingUntil time: UInt64) {
        let now = Clock.now()
        let wait = time <= now ? 0 : min((time - now) / 1_000_000 + 1, 1_000)
        let count = epoll_wait(epoll, &events, CInt(Self.roundEvents), CInt(wait))
        for index in 0..<Int(max(count, 0)) {
            let event = events[index]
            let slot = Int(truncatingIfNeeded: event.data.u64 & 0xffff_ffff)
            let generation = UInt32(truncatingIfNeeded: event.data.u64 >> 32)
            guard slots[slot].generation == generation, let target = slots[slot].target else {
                continue
            }
            if event.events & ~EPOLLOUT.rawValue != 0 { target.becameReadable() }
            if event.events & EPOLLOUT.rawValue != 0, slots[slot].generation == generation {
                target.becameWritable()
            }
        }
        flushDirty()
    }

    private func flushDirty() {
        while !dirty.isEmpty {
            let targets = dirty
            dirty.removeAll(keepingCapacity: true)
            for target in targets { target.flush() }
        }
    }
}

/// Timers by their time; equal times in the order in which they were set.
private struct TimerHeap {
    private struct Entry {
        let time: UInt64
        let number: UInt64
        let body: () -> Void

        static func < (a: Entry, b: Entry) -> Bool { (a.time, a.number) < (b.time, b.number) }
    }

    private var heap: [Entry] = []
    private var lastNumber: UInt64 = 0

    var next: UInt64? { heap.first?.time }

    mutating func insert(at time: UInt64, _ body: @escaping () -> Void) {
        lastNumber += 1
        heap.append(Entry(time: time, number: lastNumber, body: body))
        var child = heap.count - 1
        while child > 0, heap[child] < heap[(child - 1) / 2] {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func takeDue(at now: UInt64) -> (() -> Void)? {
        guard let first = heap.first, first.time <= now else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var smallest = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child] < heap[smallest] { smallest = child }
            if smallest == parent { break }
            heap.swapAt(parent, smallest)
            parent = smallest
        }
        return first.body
    }
}
