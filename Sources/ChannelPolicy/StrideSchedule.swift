/// Weighted turns from a counter alone: the static stride schedule that gRPC uses for gRFC A58.
///
/// The counter goes through the endpoints again and again; in each round an endpoint of weight `w`
/// (of at most 65,535) is taken when `w * round` passes a multiple of 65,535, so `w` times in 65,535
/// rounds and as evenly as can be. No queue, no lock: the earliest-deadline-first order without its
/// state. The heaviest endpoint is taken in every round, so a pick skips less than one round.
struct StrideSchedule: Equatable, Sendable {
    /// The largest scaled weight.
    private static let scale: UInt64 = 65_535
    /// How many times the mean a weight may be.
    private static let maximumRatio = 10.0
    /// How small a part of the mean a weight may be.
    ///
    /// Both keep a pick short and an endpoint with a wild report in use.
    private static let minimumRatio = 0.1

    private let weights: [UInt16]

    /// Nil when fewer than two endpoints have a weight: then the turns are plain.
    ///
    /// An endpoint with weight 0 counts as the mean of the others.
    init?(weights: [Double]) {
        let known = weights.filter { $0 > 0 }
        guard known.count >= 2, let largest = known.max() else { return nil }
        // Divided first, so that the sum of huge weights stays finite.
        let mean = known.reduce(0) { $0 + $1 / Double(known.count) }
        let factor = Double(Self.scale) / min(largest, mean * Self.maximumRatio)
        let scaledMean = mean * factor
        let smallest = max(1, (scaledMean * Self.minimumRatio).rounded())
        self.weights = weights.map { weight in
            let scaled = weight > 0 ? weight * factor : scaledMean
            return UInt16(min(max(scaled.rounded(), smallest), Double(Self.scale)))
        }
    }

    /// The position of the next endpoint.
    func next(_ sequence: inout UInt64) -> Int {
        let count = UInt64(weights.count)
        while true {
            let position = sequence % count
            let round = sequence / count
            sequence &+= 1
            let index = Int(truncatingIfNeeded: position)
            let weight = UInt64(weights[index])
            // The offset keeps endpoints of one weight from being taken in the same rounds.
            let phase = (weight &* round &+ position &* (Self.scale / 2)) % Self.scale
            if phase >= Self.scale - weight { return index }
        }
    }
}
