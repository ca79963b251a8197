import ArgumentParser
import YAML

extension Duration {
    /// Reads `3s`, `250ms`, `2m`, or a number of seconds such as `6` and `0.5`.
    init(argument: String) throws {
        if let duration = parseDuration(argument) {
            self = duration
            return
        }
        guard let seconds = Double(argument), (0...1e9).contains(seconds) else {
            throw ValidationError("expected a duration such as 3s or 250ms")
        }
        self = .nanoseconds(Int64(seconds * 1e9))
    }
}

/// Refuses a value that is out of its range, by the name of its flag.
func check<Value>(
    _ value: Value,
    of flag: String,
    isIn range: ClosedRange<Value>,
    text: (Value) -> String = { "\($0)" }
) throws {
    guard range.contains(value) else {
        throw ValidationError(
            "\(flag): expected \(text(range.lowerBound)) to \(text(range.upperBound)), "
                + "got \(text(value))"
        )
    }
}
