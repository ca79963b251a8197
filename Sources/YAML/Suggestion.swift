/// The candidate that a mistyped word most likely means, if one is near enough.
func suggestion(for word: String, among candidates: [String]) -> String? {
    // A third of the letters wrong is still a slip; more is another word.
    let limit = max(1, min(word.count, 24) / 3)
    var best: (candidate: String, distance: Int)?
    for candidate in candidates {
        let distance = editDistance(word, candidate)
        if distance <= limit, distance < best?.distance ?? .max {
            best = (candidate, distance)
        }
    }
    return best?.candidate
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn one word into the other.
///
/// Words past 64 characters are no slips of a field name, so they are as far apart as can be.
private func editDistance(_ first: String, _ second: String) -> Int {
    let a = Array(first.utf8)
    let b = Array(second.utf8)
    guard a.count <= 64, b.count <= 64 else { return .max }
    var twoBack: [Int] = []
    var previous = Array(0...b.count)
    for (i, left) in a.enumerated() {
        var row = [i + 1]
        for (j, right) in b.enumerated() {
            var cost = min(previous[j + 1] + 1, row[j] + 1, previous[j] + (left == right ? 0 : 1))
            if i > 0, j > 0, left == b[j - 1], a[i - 1] == right {
                cost = min(cost, twoBack[j - 1] + 1)
            }
            row.append(cost)
        }
        twoBack = previous
        previous = row
    }
    return previous[b.count]
}
