import NIOCore
import Testing

@testable import HTTP2

struct TokenBucketTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private func taken(_ bucket: inout TokenBucket, at now: NIODeadline) -> Int {
        var count = 0
        while bucket.take(now: now) { count += 1 }
        return count
    }

    @Test func `a burst passes and nothing after it`() {
        var bucket = TokenBucket(Rate(burst: 5, perSecond: 10), now: start)
        let count = taken(&bucket, at: start)
        #expect(count == 5)
    }

    @Test func `tokens come back at the rate`() {
        var bucket = TokenBucket(Rate(burst: 5, perSecond: 10), now: start)
        _ = taken(&bucket, at: start)
        let tooSoon = taken(&bucket, at: start + .milliseconds(99))
        let one = taken(&bucket, at: start + .milliseconds(100))
        let two = taken(&bucket, at: start + .milliseconds(300))
        #expect([tooSoon, one, two] == [0, 1, 2])
    }

    @Test func `the rest of an interval is not lost`() {
        var bucket = TokenBucket(Rate(burst: 5, perSecond: 10), now: start)
        _ = taken(&bucket, at: start)
        let one = taken(&bucket, at: start + .milliseconds(150))
        let another = taken(&bucket, at: start + .milliseconds(200))
        #expect([one, another] == [1, 1])
    }

    @Test func `a quiet hour is worth one burst`() {
        var bucket = TokenBucket(Rate(burst: 5, perSecond: 10), now: start)
        _ = taken(&bucket, at: start)
        let count = taken(&bucket, at: start + .hours(1))
        #expect(count == 5)
    }

    @Test func `what is earned never exceeds the burst`() {
        var bucket = TokenBucket(Rate(burst: 5, perSecond: 0), now: start)
        _ = taken(&bucket, at: start)
        bucket.earn(2)
        let two = taken(&bucket, at: start)
        bucket.earn(100)
        let five = taken(&bucket, at: start)
        #expect([two, five] == [2, 5])
    }

    @Test func `the clock is read only when the tokens have run out`() {
        var bucket = TokenBucket(Rate(burst: 3, perSecond: 1), now: start)
        var readings = 0
        func clock() -> NIODeadline {
            readings += 1
            return start
        }
        for _ in 0..<3 { _ = bucket.take(now: clock()) }
        let before = readings
        _ = bucket.take(now: clock())
        #expect(before == 0)
        #expect(readings == 1)
    }

    @Test func `a clock that stands still or a rate of nothing gives nothing`() {
        var still = TokenBucket(Rate(burst: 1, perSecond: 1_000_000_000), now: start)
        var never = TokenBucket(Rate(burst: 1, perSecond: 0), now: start)
        _ = taken(&still, at: start)
        _ = taken(&never, at: start)
        let counts = [taken(&still, at: start), taken(&never, at: start + .hours(24))]
        #expect(counts == [0, 0])
    }
}
