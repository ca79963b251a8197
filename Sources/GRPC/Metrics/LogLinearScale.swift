/// The buckets of a histogram of whole numbers: each power of two is cut into equal parts.
///
/// A value belongs to the first bucket whose upper bound it does not exceed, as Prometheus counts.
/// The bounds are fixed, so histograms can be added, and finding a bucket takes a few shifts.
package struct LogLinearScale: Hashable, Sendable {
    /// Values over 2 to the power of this share the last bucket.
    private let maximumBits: Int
    /// Each power of two has 2 to the power of this many buckets.
    private let partBits: Int

    /// - Precondition: `partBits < maximumBits < 63`.
    package init(maximumBits: Int, partBits: Int) {
        precondition(0 <= partBits && partBits < maximumBits && maximumBits < 63)
        self.maximumBits = maximumBits
        self.partBits = partBits
    }

    /// Microseconds up to 134 seconds; a bucket is at most a quarter wider than its lower bound.
    static let microseconds = LogLinearScale(maximumBits: 27, partBits: 2)
    /// Bytes up to 4 GiB, by powers of two.
    static let bytes = LogLinearScale(maximumBits: 32, partBits: 0)

    /// With the last one, which has no upper bound.
    package var bucketCount: Int { (maximumBits - partBits + 1) << partBits + 1 }

    package func bucket(of value: UInt64) -> Int {
        // One less, so that a bound belongs to the bucket below it.
        let below = max(value, 1) - 1
        guard below >> UInt64(maximumBits) == 0 else { return bucketCount - 1 }
        let bits = UInt64.bitWidth - below.leadingZeroBitCount
        let shift = max(0, bits - partBits - 1)
        return shift << partBits + Int(truncatingIfNeeded: below >> UInt64(shift))
    }

    /// The largest value in the bucket; nil for the last one, where there is none.
    package func upperBound(of bucket: Int) -> UInt64? {
        guard bucket < bucketCount - 1 else { return nil }
        let shift = max(0, bucket >> partBits - 1)
        return UInt64(bucket - shift << partBits + 1) << UInt64(shift)
    }
}

/// What a histogram holds at one moment.
package struct HistogramValues: Hashable, Sendable {
    package let scale: LogLinearScale
    package internal(set) var counts: [UInt64]
    /// Of the recorded values themselves.
    package internal(set) var sum: UInt64 = 0

    package init(scale: LogLinearScale) {
        self.scale = scale
        self.counts = Array(repeating: 0, count: scale.bucketCount)
    }

    package var count: UInt64 { counts.reduce(0, &+) }

    package mutating func record(_ value: UInt64) {
        counts[scale.bucket(of: value)] += 1
        sum &+= value
    }

    /// The bound that the given part of the values does not exceed; nil without values.
    ///
    /// For values over the scale it is the scale's largest bound.
    package func quantile(_ part: Double) -> UInt64? {
        let total = count
        guard total > 0 else { return nil }
        let rank = max(1, (Double(total) * min(max(part, 0), 1)).rounded(.up))
        var passed: UInt64 = 0
        for (bucket, count) in counts.enumerated() {
            passed += count
            if Double(passed) >= rank {
                return scale.upperBound(of: min(bucket, scale.bucketCount - 2))
            }
        }
        return nil
    }

    /// How many values do not exceed a bound of the scale.
    func count(upTo bound: UInt64) -> UInt64 {
        counts[...scale.bucket(of: bound)].reduce(0, &+)
    }
}
