import NIOCore
import Testing

@testable import HTTP2

struct ProgressWatchTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private func watch() -> ProgressWatch {
        var configuration = HTTP2Configuration()
        configuration.notReadingTimeout = .seconds(40)
        configuration.stalledTimeout = .seconds(400)
        return ProgressWatch(configuration, now: start, bytesTaken: 1000)
    }

    private func looked(
        _ watch: inout ProgressWatch,
        _ seconds: Int64,
        queued: Int = 10,
        isWritable: Bool,
        taken: UInt64 = 1000
    ) -> ProgressWatch.OnLook {
        watch.looked(
            now: start + .seconds(seconds),
            queuedBytes: queued,
            isWritable: isWritable,
            bytesTaken: taken
        )
    }

    @Test func `an unread socket ends the connection at its timeout`() {
        var watch = watch()
        let early = looked(&watch, 39, isWritable: false)
        let due = looked(&watch, 40, isWritable: false)
        #expect(watch.firstLook() == start + .seconds(10))
        #expect(early == .lookAgain(at: start + .seconds(49)))
        #expect(due == .end(.notReading))
    }

    @Test func `an unread socket counts also when only control frames wait`() {
        var watch = watch()
        let due = looked(&watch, 40, queued: 0, isWritable: false)
        #expect(due == .end(.notReading))
    }

    @Test func `closed windows end the connection later`() {
        var watch = watch()
        let early = looked(&watch, 399, isWritable: true)
        let due = looked(&watch, 400, isWritable: true)
        #expect(early == .lookAgain(at: start + .seconds(409)))
        #expect(due == .end(.stalled))
    }

    @Test func `a single byte taken begins the time again`() {
        var watch = watch()
        _ = looked(&watch, 39, isWritable: false, taken: 1001)
        let spared = looked(&watch, 78, isWritable: false, taken: 1001)
        let due = looked(&watch, 79, isWritable: false, taken: 1001)
        #expect(spared == .lookAgain(at: start + .seconds(88)))
        #expect(due == .end(.notReading))
    }

    @Test func `with nothing left to take the watch ends`() {
        var watch = watch()
        let action = looked(&watch, 1000, queued: 0, isWritable: true)
        #expect(action == .rest)
    }
}
