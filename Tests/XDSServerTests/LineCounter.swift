import Logging
import Synchronization

/// A log that counts its lines by their message.
final class LineCounter: Sendable {
    private let counts = Mutex<[String: Int]>([:])

    var logger: Logger { Logger(label: "test", factory: { _ in Handler(counter: self) }) }

    func count(of message: String) -> Int { counts.withLock { $0[message] ?? 0 } }

    private struct Handler: LogHandler {
        let counter: LineCounter
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            counter.counts.withLock { $0["\(event.message)", default: 0] += 1 }
        }
    }
}
