import Quarantine
import XDSCore

/// `service a` as it is after its change number `revision`; other numbers, other content.
func part(_ name: String, _ revision: UInt64) -> ObjectPart {
    ObjectPart(
        object: "service \(name)",
        revision: revision,
        bytes: Array("\(name)@\(revision)".utf8)
    )
}

/// The names of the objects `service NAME`.
func names(_ parts: some Sequence<ObjectPart>) -> [String] {
    parts.map { String($0.object.dropFirst("service ".count)) }.sorted()
}

/// A proxy that is given what the trial says, and answers at once.
struct FakeProxy {
    var trial: AggregateTrial
    /// What it runs with.
    private(set) var accepted: Composition?
    /// What it has run with, one after the other.
    private(set) var history: [Composition] = []
    private(set) var found: [AggregateTrial.Culprit] = []
    private(set) var answers = 0
    let knowsAccepted: Bool
    /// What the proxy says of a composition; nil accepts it.
    var complaint: (Composition) -> String?
    var isHinted: (ObjectPart) -> Bool = { _ in false }

    /// - Parameters:
    ///   - knowsAccepted: the trial is told at the first refusal what the proxy has.
    init(
        wanted: Composition,
        accepted: Composition?,
        knowsAccepted: Bool = true,
        limits: QuarantineLimits = QuarantineLimits(),
        complaint: @escaping (Composition) -> String?
    ) {
        self.trial = AggregateTrial(wanted: wanted, limits: limits)
        self.accepted = accepted
        self.knowsAccepted = knowsAccepted
        self.complaint = complaint
    }

    /// The same for a proxy that refuses what has one of these parts.
    init(
        wanted: Composition,
        accepted: Composition?,
        knowsAccepted: Bool = true,
        refusing spoiled: Set<ObjectPart>
    ) {
        self.init(wanted: wanted, accepted: accepted, knowsAccepted: knowsAccepted) {
            composition in
            composition.parts.contains(where: spoiled.contains) ? "no" : nil
        }
    }

    /// Answers until it is sent nothing new; false when that takes more than a thousand answers.
    mutating func run() -> Bool {
        for _ in 0..<1_000 {
            let sent = trial.composition
            answer(sent)
            if trial.composition == sent { return true }
        }
        return false
    }

    mutating func answer(_ sent: Composition) {
        answers += 1
        if let text = complaint(sent) {
            found += trial.refused(
                sent,
                acceptedBefore: knowsAccepted ? accepted : nil,
                text: text,
                isHinted: isHinted
            )
        } else {
            accepted = sent
            history.append(sent)
            found += trial.accepted(sent)
        }
    }
}

/// ⌈log2 n⌉.
func halvings(_ count: Int) -> Int {
    var result = 0
    while 1 << result < count { result += 1 }
    return result
}
