/// What was added in the last slots of time; what is older falls out a slot at a time.
///
/// The slots are numbered from the table's origin on. Nothing is allocated before the first value.
struct SlidingWindow<Sum: WindowSum>: Sendable {
    /// A ring: the slot `number` stands at `number % count`.
    private var slots: [Sum] = []
    /// The newest slot with a value.
    private var newest = 0
    /// When the time began that the counts are of.
    ///
    /// That is earlier than the first value, which is of an interval that had ended.
    private(set) var beginning = Duration.zero

    /// - Parameter beginning: when the time began that the value is of.
    mutating func add(_ sum: Sum, since beginning: Duration, at time: SlotTime) {
        guard !sum.isZero else { return }
        if isEmpty(at: time) {
            slots = Array(repeating: .zero, count: time.count)
            self.beginning = beginning
            newest = time.number
        }
        while newest < time.number {
            newest += 1
            slots[newest % time.count] = .zero
        }
        slots[newest % time.count].add(sum)
    }

    func total(at time: SlotTime) -> Sum {
        var total = Sum.zero
        guard !isEmpty(at: time) else { return total }
        // Time that goes back has slots after its own.
        let oldest = max(0, time.number - time.count + 1, newest - time.count + 1)
        for number in oldest...newest {
            total.add(slots[number % time.count])
        }
        return total
    }

    /// Everything has fallen out.
    func isEmpty(at time: SlotTime) -> Bool {
        slots.isEmpty || newest <= time.number - time.count
    }

    /// The time that the total is of.
    func coveredTime(at time: SlotTime) -> Duration {
        isEmpty(at: time) ? .zero : max(.zero, time.now - max(beginning, time.windowBeginning))
    }
}

/// A moment as a window sees it.
struct SlotTime: Sendable {
    /// Since the table's origin.
    let now: Duration
    /// The slot that the moment lies in.
    let number: Int
    /// How many slots a window has.
    let count: Int
    /// When the oldest slot of a window began.
    let windowBeginning: Duration

    init(_ now: Duration, _ limits: LoadLimits) {
        self.now = max(.zero, now)
        count = limits.slots
        number = Int(self.now / limits.slot)
        windowBeginning = limits.slot * max(0, number - limits.slots + 1)
    }
}
