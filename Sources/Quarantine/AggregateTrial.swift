package import XDSCore

/// One node and one aggregate that it refused: what the node gets of it, and whose fault it is.
///
///     trying ──refused──▶ searching ──every culprit found──▶ settled
///       ▲                    │                                  │
///       │                    ▼ too many probes, or no object    │ refused again
///       │                 resting ◀──too often──────────────────┤
///       │                    │                                  └─▶ searching
///       └──operators changed something────────── from every state
///
/// While it searches, and when it rests, the node has what it accepted last, or is on its way back
/// to that: a proxy that refuses a resource keeps the one before. An object with a culprit is
/// served as the node accepted it last, and left out if it never did.
package struct AggregateTrial: Sendable {
    /// An object that spoils the aggregate.
    package struct Culprit: Hashable, Sendable {
        /// What was refused; it is tried again when the object is another.
        package let part: ObjectPart
        /// What is served instead.
        package let standIn: ObjectPart?
        /// The node's own words.
        package let text: String
    }

    package enum State: Hashable, Sendable {
        /// The node is asked about a part of the suspects.
        case searching
        /// All culprits are known, and the rest is served.
        case settled
        /// Given up until operators change something; the node stays with what it accepted.
        case resting
    }

    private enum Phase {
        /// All but known culprits is served; the node may be about to refuse it.
        case trying
        case searching(SuspectSearch)
        case settled
        case resting(undecided: [ObjectPart])
    }

    private let limits: QuarantineLimits
    private var phase = Phase.trying
    /// What operators want.
    private var wanted: Composition
    /// What the node accepted last; nil if that isn't known.
    private var accepted: Composition?
    private var culpritByObject: [String: Culprit] = [:]
    private var probes = 0
    private var restarts = 0
    /// The node's own words when it refused something last.
    package private(set) var lastText = ""

    /// What the node is to get now.
    package private(set) var composition: Composition
    /// What has to be done to what operators want to make it that, by object.
    package private(set) var substitutions: [Substitution] = []

    package init(wanted: Composition, limits: QuarantineLimits = QuarantineLimits()) {
        self.wanted = wanted
        self.composition = wanted
        self.limits = limits
    }

    // MARK: - What happened

    /// The node refused a version with these parts.
    ///
    /// Returns the culprits that this has shown.
    ///
    /// - Parameters:
    ///   - parts: what the refused version was made of.
    ///   - last: what the node accepted before on the same stream, if that is known.
    ///   - isHinted: whether a part is more likely than others to be the cause.
    package mutating func refused(
        _ parts: Composition,
        acceptedBefore last: Composition?,
        text: String,
        isHinted: (ObjectPart) -> Bool = { _ in false }
    ) -> [Culprit] {
        if let last { accepted = last }
        // The answer to what was sent before the last decision; the one to that will come.
        guard parts == composition else { return [] }
        // Equal, and shared with all who have it.
        composition = parts
        lastText = text
        switch phase {
        case .trying:
            return advance(search(isHinted))
        case .settled:
            // It had accepted all of it.
            restarts += 1
            guard restarts <= limits.maximumRestartsPerChange else {
                rest(undecided: [])
                return []
            }
            return advance(search(isHinted))
        case .searching(var search):
            search.probeRefused(isHinted: isHinted)
            return advance(search)
        case .resting:
            return []
        }
    }

    /// The node accepted a version with these parts.
    ///
    /// Returns the culprits that this has shown.
    package mutating func accepted(_ parts: Composition) -> [Culprit] {
        accepted = parts
        guard parts == composition else { return [] }
        composition = parts
        switch phase {
        case .trying:
            phase = .settled
            return []
        case .searching(var search):
            search.probeAccepted()
            return advance(search)
        case .settled, .resting:
            return []
        }
    }

    /// What trials with equal verdicts come to when operators change something.
    package struct Shared {
        fileprivate var byVerdicts: [[String: Culprit]: (Composition, [Substitution])] = [:]

        package init() {}
    }

    /// Operators changed something: what was refused and is another now is tried again.
    package mutating func wantedChanged(to wanted: Composition) {
        var shared = Shared()
        wantedChanged(to: wanted, sharing: &shared)
    }

    /// The same for one of many trials of an aggregate.
    package mutating func wantedChanged(to wanted: Composition, sharing shared: inout Shared) {
        guard wanted != self.wanted else { return }
        self.wanted = wanted
        culpritByObject = culpritByObject.filter { wanted[$0.key] == $0.value.part }
        probes = 0
        restarts = 0
        phase = .trying
        if let known = shared.byVerdicts[culpritByObject] {
            (composition, substitutions) = known
            return
        }
        serve(
            Composition(
                wanted.parts.compactMap { part in
                    culpritByObject[part.object].map { $0.standIn } ?? part
                }
            )
        )
        shared.byVerdicts[culpritByObject] = (composition, substitutions)
    }

    // MARK: - Status

    /// There is nothing to remember: the node gets what operators want.
    package var isIdle: Bool {
        switch phase {
        // Who rests would begin anew if it were forgotten.
        case .searching, .resting: false
        case .trying, .settled: culpritByObject.isEmpty && composition == wanted
        }
    }

    package var state: State {
        switch phase {
        case .searching: .searching
        case .trying, .settled: .settled
        case .resting: .resting
        }
    }

    /// By object.
    package var culprits: [Culprit] {
        culpritByObject.values.sorted { $0.part.object < $1.part.object }
    }

    /// What isn't served although nothing is known against it; by object.
    package var suspects: [ObjectPart] {
        let undecided: [ObjectPart]
        switch phase {
        case .trying, .settled: undecided = []
        case .searching(let search): undecided = Array(search.undecided)
        case .resting(let parts): undecided = parts
        }
        return undecided.filter { wanted[$0.object] == $0 }.sorted { $0.object < $1.object }
    }

    /// Compositions that the node was asked about since operators changed something.
    package var probeCount: Int { probes }

    // MARK: - Deciding

    /// The search that begins with the refusal of the composition.
    private func search(_ isHinted: (ObjectPart) -> Bool) -> SuspectSearch {
        let known = accepted ?? Composition()
        let changed = composition.parts.filter { known[$0.object] != $0 }
        guard !changed.isEmpty else {
            // What it accepted, or a part of that, is refused now: everything is suspect.
            return SuspectSearch(
                base: Composition(),
                isBaseProven: false,
                suspects: composition.parts,
                isHinted: isHinted
            )
        }
        let base = known.restricted(to: composition)
        return SuspectSearch(
            base: base,
            isBaseProven: accepted == base,
            suspects: changed,
            isHinted: isHinted
        )
    }

    private mutating func advance(_ search: SuspectSearch) -> [Culprit] {
        var search = search
        var found: [Culprit] = []
        while true {
            switch search.next() {
            case .probe:
                guard probes < limits.maximumProbesPerChange else {
                    rest(undecided: Array(search.undecided), at: search.acceptedComposition)
                    return found
                }
                probes += 1
                serve(search.composition)
                phase = .searching(search)
                return found
            case .culprit(let part):
                // One that operators don't want any more only leaves the base.
                guard wanted[part.object] == part else { continue }
                let culprit = Culprit(
                    part: part,
                    standIn: search.acceptedComposition?[part.object],
                    text: lastText
                )
                culpritByObject[part.object] = culprit
                found.append(culprit)
            case .finished:
                // Without anything that it accepts, nothing is left to serve.
                serve(search.acceptedComposition ?? Composition())
                phase = .settled
                return found
            case .unexplained:
                // What was found in this search was none either.
                for culprit in search.culprits { culpritByObject[culprit.object] = nil }
                rest(undecided: [])
                return []
            }
        }
    }

    /// Gives up, and stays with what the node accepted; with what is wanted if it accepted nothing.
    private mutating func rest(undecided: [ObjectPart], at composition: Composition? = nil) {
        let known = composition ?? accepted?.restricted(to: wanted)
        serve(known ?? wanted)
        phase = .resting(undecided: undecided)
    }

    private mutating func serve(_ next: Composition) {
        composition = next
        substitutions = next.substitutions(in: wanted)
    }
}
