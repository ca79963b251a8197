import XDSCore

/// Finds the parts for which a client refuses an aggregate, by asking it about one composition
/// after the other.
///
/// The suspects stand in a row, those that operators changed last at the end. A probe is the base
/// and a prefix of the row; what the client accepts grows from the left, what it refuses closes in
/// from the right. Where the two meet stands a culprit: what it was added to is accepted, and with
/// it is refused. It leaves the row, and the rest is asked about at once:
///
///     base | s0 s1 s2 | s3 s4 s5 | s6 s7
///            accepted  ↑ probe     refused from here on
///
/// So k culprits among n suspects cost at most k × (⌈log2 n⌉ + 1) probes, and one more for each if
/// a hint is wrong. Of two parts that are refused only together, the one that changed later is
/// found.
///
/// Where nothing is known that the client would accept, the first probes leave out the last
/// suspect, the last two, four and so on, for ⌈log2 n⌉ + 1 more probes at most. What it refuses
/// changes nothing for a client, so it goes from what it has to nearly everything in one step.
struct SuspectSearch: Sendable {
    private static let maximumLonelyCulprits = 2

    /// What is in every probe.
    private var base: Composition
    /// The client has accepted the base, or more than it.
    private var isBaseProven: Bool
    /// From left to right.
    private(set) var suspects: [ObjectPart]
    /// Those that have left the row.
    private(set) var culprits: [ObjectPart] = []
    /// So many suspects from the left are accepted.
    private var accepted = 0
    /// With so many suspects from the left it was refused; nil if not known since the last culprit.
    private var refused: Int?
    private var probe: Int
    /// A hint may cost a probe, so there is one for each culprit.
    private var mayFollowHint = true
    /// How many suspects the next probe leaves out while nothing is accepted.
    private var stride = 1
    /// Culprits that were found while nothing was accepted.
    private var lonelyCulprits = 0
    /// Where the hinted ones of the undecided suspects begin; nil if there is no hint to follow.
    private var hintedFrom: Int?

    /// - Parameters:
    ///   - suspects: together with the base, they have been refused.
    ///   - isHinted: whether the suspect is more likely than others to be a culprit.
    init(
        base: Composition,
        isBaseProven: Bool,
        suspects: [ObjectPart],
        isHinted: (ObjectPart) -> Bool
    ) {
        self.base = base
        self.isBaseProven = isBaseProven
        self.suspects = suspects.sorted {
            ($0.revision, $0.object) < ($1.revision, $1.object)
        }
        self.refused = suspects.count
        self.probe = suspects.count
        follow(isHinted)
    }

    /// What the client is to be asked about now.
    var composition: Composition { base.adding(suspects.prefix(probe)) }

    /// The most that it has accepted in this search; nil if it has accepted nothing.
    var acceptedComposition: Composition? {
        isProven ? base.adding(suspects.prefix(accepted)) : nil
    }

    private var isProven: Bool { isBaseProven || accepted > 0 }

    /// The suspects that have not been found guilty or innocent yet.
    var undecided: ArraySlice<ObjectPart> { suspects.dropFirst(accepted) }

    /// What the search does now.
    enum Step {
        /// Ask about `composition`.
        case probe
        /// This one is a culprit; go on with `next`.
        case culprit(ObjectPart)
        /// All that is not a culprit is accepted.
        case finished
        /// The aggregate is refused without any of its parts.
        case unexplained
    }

    mutating func probeAccepted() {
        accepted = max(accepted, probe)
        isBaseProven = true
    }

    mutating func probeRefused(isHinted: (ObjectPart) -> Bool) {
        refused = probe
        follow(isHinted)
    }

    mutating func next() -> Step {
        if refused == 0 {
            guard !base.isEmpty else { return .unexplained }
            widen()
        }
        guard let refused else {
            guard accepted < suspects.count else { return .finished }
            probe = suspects.count
            return .probe
        }
        guard refused - accepted > 1 else {
            if !isProven {
                // Without a base the one suspect was refused alone, which is proof enough. But
                // where many are, it may be the aggregate itself. It isn't asked at once: a client
                // that works, and of which only we know nothing, would lose everything for a
                // moment.
                guard base.isEmpty, lonelyCulprits < Self.maximumLonelyCulprits else {
                    probe = 0
                    return .probe
                }
                lonelyCulprits += 1
            }
            let culprit = suspects.remove(at: accepted)
            culprits.append(culprit)
            self.refused = nil
            mayFollowHint = true
            return .culprit(culprit)
        }
        if let hintedFrom, hintedFrom > accepted, hintedFrom < refused {
            probe = hintedFrom
        } else if base.isEmpty, !isProven {
            probe = max(1, refused - stride)
            stride *= 2
        } else {
            probe = accepted + (refused - accepted) / 2
        }
        hintedFrom = nil
        return .probe
    }

    /// Moves the hinted ones of those that may be the culprit to their end.
    ///
    /// The whole row up to there was refused, in whatever order.
    private mutating func follow(_ isHinted: (ObjectPart) -> Bool) {
        guard mayFollowHint, let refused, refused - accepted > 1 else { return }
        let undecided = suspects[accepted..<refused]
        let hinted = undecided.filter(isHinted)
        guard !hinted.isEmpty, hinted.count < undecided.count else { return }
        mayFollowHint = false
        suspects.replaceSubrange(
            accepted..<refused,
            with: undecided.filter { !isHinted($0) } + hinted
        )
        hintedFrom = refused - hinted.count
    }

    /// Not even the base is accepted: what is in it is suspect, too, and stands before all others.
    private mutating func widen() {
        let older = base.parts.sorted { ($0.revision, $0.object) < ($1.revision, $1.object) }
        suspects = older + suspects
        base = Composition()
        refused = older.count
    }
}
