import Logging
import Mesh
import Primitives
import Quarantine
import XDSCore

extension MeshState {
    /// What a proxy's answers have led to.
    struct Consequences {
        /// The node's view may be another now.
        var hasMoved = false
        /// Culprits that nobody knew of before.
        var verdicts: [(aggregate: ResourceReference, culprit: AggregateTrial.Culprit)] = []
        /// Aggregates that the node refuses without anybody knowing why.
        var givenUp: [ResourceReference] = []
    }

    /// A proxy answered what it was sent of aggregates.
    func answered(_ answers: [AggregateAnswer], by nodeID: String) -> Consequences {
        // A node that is in the ledger has seen to this by a refusal of its own.
        guard hasQuarantine.load(ordering: .relaxed) || answers.contains(where: \.isRefusal) else {
            return Consequences()
        }
        return state.withLock { state in
            defer { hasQuarantine.store(state.quarantine.nodeCount > 0, ordering: .relaxed) }
            var consequences = Consequences()
            for answer in answers {
                let outcome = state.quarantine.received(answer, from: NodeID(nodeID))
                consequences.hasMoved = consequences.hasMoved || outcome.hasMoved
                consequences.verdicts += outcome.verdicts.map { (answer.reference, $0) }
                if outcome.isGivenUp { consequences.givenUp.append(answer.reference) }
            }
            return consequences
        }
    }

    /// The revisions of the services that are the same in another mesh.
    func revisions(unchangedIn mesh: Mesh) -> [ServiceName: UInt64] {
        state.withLock { $0.translator.revisions(unchangedIn: mesh) }
    }

    /// What proxies refuse, as operators see it.
    var refusals: [RefusalReport] { state.withLock { $0.quarantine.reports } }

    /// Counters by metric name.
    var quarantineCounters: [String: UInt64] {
        state.withLock { state in
            [
                "xds_quarantined_objects": UInt64(state.quarantine.quarantinedObjectCount),
                "xds_quarantine_nodes": UInt64(state.quarantine.nodeCount),
                "xds_quarantine_probes": state.quarantine.probeCount,
                "xds_quarantine_verdicts": state.quarantine.verdictCount,
                "xds_quarantine_given_up": state.quarantine.givenUpCount,
            ]
        }
    }
}

extension MeshState.State {
    /// Tries again what was refused and is another now; returns the nodes that get something else.
    mutating func retryChangedObjects() -> Set<String> {
        var moved: Set<String> = []
        for (aggregate, composition) in translator.aggregates.sorted(by: { $0.key < $1.key }) {
            let nodes = quarantine.wantedChanged(of: aggregate, to: composition)
            moved.formUnion(nodes.map(\.rawValue))
        }
        return moved
    }

    func rebuilt(
        _ aggregate: ResourceReference,
        _ substitutions: [Substitution]
    ) -> EncodedResource? {
        translator.aggregate(
            aggregate,
            substituting: Dictionary(
                substitutions.map { ($0.object, $0.standIn) },
                uniquingKeysWith: { _, last in last }
            )
        )
    }
}

extension QuarantineLedger {
    fileprivate mutating func received(_ answer: AggregateAnswer, from node: NodeID) -> Outcome {
        let parts = answer.origin.composition ?? Composition()
        switch answer.verdict {
        case .accepted:
            return accepted(answer.reference, parts, by: node)
        case .refused(let before, let error):
            return refused(
                answer.reference,
                parts,
                acceptedBefore: before?.composition,
                by: node,
                text: error.message
            )
        }
    }
}

extension AggregateAnswer {
    fileprivate var isRefusal: Bool {
        switch verdict {
        case .accepted: false
        case .refused: true
        }
    }
}

/// Takes proxies' answers to the quarantine, and writes what follows into the log.
struct RefusalObserver: Sendable {
    let state: MeshState
    let logger: Logger

    /// True when the node's view may be another now.
    func answered(_ answers: [AggregateAnswer], by nodeID: String) -> Bool {
        let consequences = state.answered(answers, by: nodeID)
        for (aggregate, culprit) in consequences.verdicts {
            logger.error(
                "an object is quarantined, because a proxy refuses it",
                metadata: [
                    "object": "\(culprit.part.object)", "revision": "\(culprit.part.revision)",
                    "resource": "\(aggregate)", "node": "\(nodeID)", "error": "\(culprit.text)",
                    "served": "\(culprit.standIn.map { "revision \($0.revision)" } ?? "nothing")",
                ]
            )
        }
        for aggregate in consequences.givenUp {
            logger.error(
                "a proxy refuses a resource, and no object was found to be the cause",
                metadata: ["resource": "\(aggregate)", "node": "\(nodeID)"]
            )
        }
        return consequences.hasMoved
    }
}
