import Synchronization

/// The numbers behind `CallMetrics`: for each shard and method, the calls that began, and for each
/// status with which calls of the method ended, what these took and carried.
///
/// Everything is an atomic that is added to with relaxed ordering. Each event loop uses the shard
/// of its executor's number, so that loops don't fight over cache lines, and because additions are
/// atomic nothing breaks when two loops share a shard. What has never happened takes no memory but
/// its pointer.
// SAFETY (@unchecked Sendable): `methods` points to atomics and is itself never changed.
final class CallTallies: @unchecked Sendable {
    typealias Word = Atomic<UInt64>
    typealias Words = UnsafeMutablePointer<Word>
    private typealias MethodTallies = UnsafeMutablePointer<Atomic<Words?>>

    /// Status codes 0 to 16; any other counts as UNKNOWN.
    static let statuses = 17
    /// A place for each status, and behind them one for the word that counts the starts.
    private static let placesOfMethod = statuses + 1

    private let methodCount: Int
    private let shards: Int
    private let places: MethodTallies

    /// - Precondition: `shards` is a power of two.
    init(methods: Int, shards: Int) {
        precondition(shards > 0 && shards & (shards - 1) == 0, "\(shards) shards")
        self.methodCount = methods
        self.shards = shards
        let count = methods * shards * Self.placesOfMethod
        places = .allocate(capacity: count)
        for index in 0..<count { (places + index).initialize(to: Atomic(nil)) }
    }

    deinit {
        for index in 0..<methodCount * shards * Self.placesOfMethod {
            if let words = places[index].load(ordering: .acquiring) {
                let isStart = index % Self.placesOfMethod == Self.statuses
                words.deinitialize(count: isStart ? 1 : OutcomeLayout.words)
                words.deallocate()
            }
        }
        places.deallocate()
    }

    func started(method: Int, shard: Int) {
        let start = words(method: method, shard: shard, place: Self.statuses, count: 1)
        start.pointee.wrappingAdd(1, ordering: .relaxed)
    }

    func ended(
        method: Int,
        shard: Int,
        _ code: GRPCStatusCode,
        microseconds: UInt64,
        traffic: CallTraffic
    ) {
        let status = (0..<Self.statuses).contains(code.rawValue) ? code : .unknown
        let words = words(
            method: method,
            shard: shard,
            place: status.rawValue,
            count: OutcomeLayout.words
        )
        func add(_ value: Int, at word: Int) {
            if value != 0 { words[word].wrappingAdd(UInt64(value), ordering: .relaxed) }
        }
        OutcomeLayout.duration.record(microseconds, in: words)
        OutcomeLayout.sentBytes.record(UInt64(traffic.sentBytes), in: words)
        OutcomeLayout.receivedBytes.record(UInt64(traffic.receivedBytes), in: words)
        add(traffic.sentMessages, at: OutcomeLayout.sentMessages)
        add(traffic.receivedMessages, at: OutcomeLayout.receivedMessages)
    }

    private func words(method: Int, shard: Int, place: Int, count: Int) -> Words {
        let row = (shard & (shards - 1)) * methodCount + method
        let place = places + (row * Self.placesOfMethod + place)
        if let words = place.pointee.load(ordering: .acquiring) { return words }
        let fresh = Words.allocate(capacity: count)
        for index in 0..<count { (fresh + index).initialize(to: Word(0)) }
        let (isOurs, other) = place.pointee.compareExchange(
            expected: nil,
            desired: fresh,
            ordering: .acquiringAndReleasing
        )
        if isOurs { return fresh }
        fresh.deinitialize(count: count)
        fresh.deallocate()
        // Only an exchange with what another thread has put there fails.
        return other ?? fresh
    }

    /// What all shards have counted of a method; nil when it was never called.
    func values(of method: Int) -> MethodValues? {
        var values = MethodValues()
        var isKnown = false
        for shard in 0..<shards {
            let row = places + (shard * methodCount + method) * Self.placesOfMethod
            // Ends first: a call that ends meanwhile must not seem to have ended unstarted.
            for status in 0..<Self.statuses {
                guard let words = row[status].load(ordering: .acquiring) else { continue }
                values.outcomes[status, default: OutcomeValues()].add(words)
                isKnown = true
            }
        }
        for shard in 0..<shards {
            let row = places + (shard * methodCount + method) * Self.placesOfMethod
            guard let start = row[Self.statuses].load(ordering: .acquiring) else { continue }
            values.started += start.pointee.load(ordering: .relaxed)
            isKnown = true
        }
        return isKnown ? values : nil
    }
}

/// Where the words of one outcome are.
private enum OutcomeLayout {
    static let sentMessages = 0
    static let receivedMessages = 1
    static let duration = HistogramLayout(start: 2, scale: .microseconds)
    static let sentBytes = HistogramLayout(start: duration.end, scale: .bytes)
    static let receivedBytes = HistogramLayout(start: sentBytes.end, scale: .bytes)
    static let words = receivedBytes.end
}

/// A histogram in words: the sum, then the buckets.
private struct HistogramLayout {
    let start: Int
    let scale: LogLinearScale

    var end: Int { start + 1 + scale.bucketCount }

    func record(_ value: UInt64, in words: CallTallies.Words) {
        words[start].wrappingAdd(value, ordering: .relaxed)
        words[start + 1 + scale.bucket(of: value)].wrappingAdd(1, ordering: .relaxed)
    }

    func add(_ words: CallTallies.Words, to values: inout HistogramValues) {
        values.sum &+= words[start].load(ordering: .relaxed)
        for bucket in 0..<scale.bucketCount {
            values.counts[bucket] += words[start + 1 + bucket].load(ordering: .relaxed)
        }
    }
}

/// What was counted of one method.
struct MethodValues {
    var started: UInt64 = 0
    var outcomes: [Int: OutcomeValues] = [:]
}

/// What was counted of the calls of a method that ended with the same status.
struct OutcomeValues {
    var sentMessages: UInt64 = 0
    var receivedMessages: UInt64 = 0
    var duration = HistogramValues(scale: .microseconds)
    var sentBytes = HistogramValues(scale: .bytes)
    var receivedBytes = HistogramValues(scale: .bytes)

    fileprivate mutating func add(_ words: CallTallies.Words) {
        sentMessages += words[OutcomeLayout.sentMessages].load(ordering: .relaxed)
        receivedMessages += words[OutcomeLayout.receivedMessages].load(ordering: .relaxed)
        OutcomeLayout.duration.add(words, to: &duration)
        OutcomeLayout.sentBytes.add(words, to: &sentBytes)
        OutcomeLayout.receivedBytes.add(words, to: &receivedBytes)
    }
}
