/// Dividing a whole number of units in proportion, so that the parts add up exactly.
enum Apportionment {
    /// Parts of `units` in proportion to `sizes`: each at least 1, their sum `units`.
    ///
    /// Largest remainder, ties to the earlier one. Needs `units >= sizes.count` and positive sizes.
    static func divide(_ units: Int, by sizes: [Int]) -> [Int] {
        precondition(units >= sizes.count, "every part needs a unit")
        precondition(sizes.allSatisfy { $0 > 0 }, "sizes are positive")
        let total = sizes.reduce(0, +)
        var parts: [Int] = []
        var remainders: [(index: Int, remainder: Int)] = []
        for (index, size) in sizes.enumerated() {
            let (quotient, remainder) = total.dividingFullWidth(units.multipliedFullWidth(by: size))
            parts.append(max(1, quotient))
            // A part that was raised to 1 has more than it is due, so it is last in line for more.
            remainders.append((index, quotient == 0 ? -1 : remainder))
        }
        var left = units - parts.reduce(0, +)
        for (index, _) in remainders.sorted(by: {
            ($1.remainder, $0.index) < ($0.remainder, $1.index)
        })
        where left > 0 {
            parts[index] += 1
            left -= 1
        }
        // Parts raised to 1 are paid for by the largest ones.
        while left < 0, let largest = parts.indices.max(by: { parts[$0] < parts[$1] }) {
            parts[largest] -= 1
            left += 1
        }
        return parts
    }
}
