/// Something that did not come true in time.
struct NotInTime: Error, CustomStringConvertible {
    let description: String
}

/// Asks again and again until there is an answer.
func waitFor<Answer>(
    _ what: String,
    within limit: Duration = .seconds(15),
    _ ask: () async throws -> Answer?
) async throws -> Answer {
    let deadline = ContinuousClock.now.advanced(by: limit)
    while true {
        if let answer = try await ask() { return answer }
        guard ContinuousClock.now < deadline else {
            throw NotInTime(description: "waited \(limit) for \(what)")
        }
        try await Task.sleep(for: .milliseconds(20))
    }
}

/// Asks again and again until it is so.
func waitUntil(
    _ what: String,
    within limit: Duration = .seconds(15),
    _ isSo: () async throws -> Bool
) async throws {
    _ = try await waitFor(what, within: limit) { try await isSo() ? true : nil }
}
