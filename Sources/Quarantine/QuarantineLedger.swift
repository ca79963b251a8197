package import Primitives
package import XDSCore

/// What is kept from which node, and why: one trial for each node and aggregate that it refused.
///
/// A node is here from its first refusal until it gets everything again. Nothing is ever kept from
/// others.
package struct QuarantineLedger: Sendable {
    private struct Entry {
        var arrival: UInt64
        var trials: [ResourceReference: AggregateTrial] = [:]
    }

    /// What an answer of a node has led to.
    package struct Outcome: Sendable {
        /// The node gets something else from now on.
        package var hasMoved = false
        /// What it has shown to be the cause of refusals, as a news to everybody.
        package var verdicts: [AggregateTrial.Culprit] = []
        /// It was given up just now.
        package var isGivenUp = false
    }

    private let limits: QuarantineLimits
    private var entries: [NodeID: Entry] = [:]
    /// The nodes in the order in which they came; may name some that have left.
    private var order: [(node: NodeID, arrival: UInt64)] = []
    private var arrivals: UInt64 = 0
    private var wanted: [ResourceReference: Composition] = [:]
    /// How many nodes hold each part for a culprit: a hint for the next one that refuses something.
    private var convictions: [ResourceReference: [ObjectPart: Int]] = [:]

    /// Probes of all nodes so far.
    package private(set) var probeCount: UInt64 = 0
    /// Convictions at any node so far.
    package private(set) var verdictCount: UInt64 = 0
    /// Trials that were given up so far.
    package private(set) var givenUpCount: UInt64 = 0

    package init(limits: QuarantineLimits = QuarantineLimits()) {
        self.limits = limits
    }

    // MARK: - What happened

    /// Operators want the aggregate to be made of these parts now.
    ///
    /// Returns the nodes that get something else from now on, sorted.
    package mutating func wantedChanged(
        of aggregate: ResourceReference,
        to parts: Composition
    ) -> [NodeID] {
        guard wanted.updateValue(parts, forKey: aggregate) != parts else { return [] }
        var moved: [NodeID] = []
        // Nodes with equal verdicts share what follows from them.
        var shared = AggregateTrial.Shared()
        for (node, entry) in entries {
            guard let trial = entry.trials[aggregate] else { continue }
            let before = trial.substitutions
            var next = trial
            next.wantedChanged(to: parts, sharing: &shared)
            if next.substitutions != before { moved.append(node) }
            put(next, of: node, aggregate)
        }
        return moved.sorted()
    }

    /// A node refused a version of an aggregate.
    ///
    /// - Parameters:
    ///   - parts: what the refused version was made of.
    ///   - last: what the node accepted before on the same stream, if that is known.
    package mutating func refused(
        _ aggregate: ResourceReference,
        _ parts: Composition,
        acceptedBefore last: Composition?,
        by node: NodeID,
        text: String
    ) -> Outcome {
        guard let wanted = wanted[aggregate] else { return Outcome() }
        let trial =
            entries[node]?.trials[aggregate] ?? AggregateTrial(wanted: wanted, limits: limits)
        let known = convictions[aggregate] ?? [:]
        let cut = text.prefix(utf8Bytes: limits.maximumErrorTextBytes)
        return change(trial, of: node, aggregate) { trial in
            trial.refused(
                parts,
                acceptedBefore: last,
                text: cut,
                isHinted: { known[$0] != nil || $0.isMentioned(in: text) }
            )
        }
    }

    /// A node accepted a version of an aggregate.
    ///
    /// For a node that is not here, and that is nearly every one, this is one look into a table.
    package mutating func accepted(
        _ aggregate: ResourceReference,
        _ parts: Composition,
        by node: NodeID
    ) -> Outcome {
        guard let trial = entries[node]?.trials[aggregate] else { return Outcome() }
        return change(trial, of: node, aggregate) { $0.accepted(parts) }
    }

    /// The node is not to be remembered.
    package mutating func nodeForgotten(_ node: NodeID) {
        guard let entry = entries.removeValue(forKey: node) else { return }
        for (aggregate, trial) in entry.trials { count(trial, of: aggregate, by: -1) }
    }

    // MARK: - What to serve

    /// What the node gets in place of what operators want; nothing for a node that refused nothing.
    package func substitutions(for node: NodeID) -> [ResourceReference: [Substitution]] {
        guard let entry = entries[node] else { return [:] }
        return entry.trials.mapValues(\.substitutions).filter { !$0.value.isEmpty }
    }

    // MARK: -

    private mutating func change(
        _ trial: AggregateTrial,
        of node: NodeID,
        _ aggregate: ResourceReference,
        _ event: (inout AggregateTrial) -> [AggregateTrial.Culprit]
    ) -> Outcome {
        var next = trial
        let culprits = event(&next)
        let known = convictions[aggregate] ?? [:]
        let outcome = Outcome(
            hasMoved: next.substitutions != trial.substitutions,
            verdicts: culprits.filter { known[$0.part] == nil },
            isGivenUp: next.state == .resting && trial.state != .resting
        )
        probeCount &+= UInt64(next.probeCount - trial.probeCount)
        verdictCount &+= UInt64(culprits.count)
        givenUpCount &+= outcome.isGivenUp ? 1 : 0
        put(next, of: node, aggregate)
        return outcome
    }

    private mutating func put(
        _ trial: AggregateTrial,
        of node: NodeID,
        _ aggregate: ResourceReference
    ) {
        if let previous = entries[node]?.trials[aggregate] {
            count(previous, of: aggregate, by: -1)
        }
        guard !trial.isIdle else {
            entries[node]?.trials[aggregate] = nil
            if entries[node]?.trials.isEmpty == true { entries[node] = nil }
            return
        }
        count(trial, of: aggregate, by: 1)
        if entries[node] == nil { admit(node) }
        entries[node]?.trials[aggregate] = trial
    }

    /// Makes room for the node; what the oldest one refused will have to be found out again.
    private mutating func admit(_ node: NodeID) {
        while entries.count >= limits.maximumNodes, let oldest = firstArrival() {
            nodeForgotten(oldest)
        }
        arrivals += 1
        entries[node] = Entry(arrival: arrivals)
        order.append((node, arrivals))
        guard order.count > 2 * max(limits.maximumNodes, 8) else { return }
        order.removeAll { entries[$0.node]?.arrival != $0.arrival }
    }

    private func firstArrival() -> NodeID? {
        order.first { entries[$0.node]?.arrival == $0.arrival }?.node
    }

    private mutating func count(
        _ trial: AggregateTrial,
        of aggregate: ResourceReference,
        by difference: Int
    ) {
        for culprit in trial.culprits {
            let nodes = (convictions[aggregate]?[culprit.part] ?? 0) + difference
            convictions[aggregate, default: [:]][culprit.part] = nodes > 0 ? nodes : nil
        }
    }
}

// MARK: - Status

/// One line of what nodes refuse, as operators see it.
package struct RefusalReport: Hashable, Sendable {
    package enum State: String, Hashable, Sendable {
        /// It is being found out which objects are the cause; the suspects are not served
        /// meanwhile.
        case searching = "SEARCHING"
        /// The object is the cause, and is not served as it is.
        case quarantined = "QUARANTINED"
        /// No set of objects explains the refusals, or too many probes were needed.
        case givenUp = "GIVEN_UP"
    }

    package var aggregate: ResourceReference
    package var state: State
    /// The culprit, or one of those that are not served for the time being; empty if there is none.
    package var object: String
    /// The revision in which the object became what is refused.
    package var revision: UInt64
    /// The revision of the object that is served instead; nil if it is left out.
    package var servedRevision: UInt64?
    /// The words of the first of the nodes.
    package var text: String
    /// The first ones, sorted.
    package var nodes: [NodeID]
    package var nodeCount: Int
}

extension QuarantineLedger {
    /// How many nodes don't get everything.
    package var nodeCount: Int { entries.count }

    /// How many objects are kept from at least one node, each as one state of it.
    package var quarantinedObjectCount: Int { convictions.values.reduce(0) { $0 + $1.count } }

    /// What nodes refuse: by aggregate, state and object; nodes that agree stand in one line.
    package var reports: [RefusalReport] {
        var reports: [Key: RefusalReport] = [:]
        for (node, entry) in entries.sorted(by: { $0.key < $1.key }) {
            for (aggregate, trial) in entry.trials {
                for report in trial.reports(of: aggregate) {
                    let key = Key(report)
                    var merged = reports[key] ?? report
                    merged.nodeCount += 1
                    if merged.nodes.count < limits.maximumNodesPerReport {
                        merged.nodes.append(node)
                    }
                    reports[key] = merged
                }
            }
        }
        return reports.values.sorted { Key($0) < Key($1) }
    }

    /// What lines are told apart by.
    private struct Key: Hashable, Comparable {
        let aggregate: ResourceReference
        let state: String
        let object: String
        let revision: UInt64
        let servedRevision: UInt64

        init(_ report: RefusalReport) {
            aggregate = report.aggregate
            state = report.state.rawValue
            object = report.object
            revision = report.revision
            servedRevision = report.servedRevision ?? .max
        }

        static func < (lhs: Self, rhs: Self) -> Bool {
            (lhs.aggregate, lhs.state, lhs.object, lhs.revision, lhs.servedRevision)
                < (rhs.aggregate, rhs.state, rhs.object, rhs.revision, rhs.servedRevision)
        }
    }
}

extension AggregateTrial {
    /// Lines without nodes.
    fileprivate func reports(of aggregate: ResourceReference) -> [RefusalReport] {
        let template = RefusalReport(
            aggregate: aggregate,
            state: state == .resting ? .givenUp : .searching,
            object: "",
            revision: 0,
            text: lastText,
            nodes: [],
            nodeCount: 0
        )
        var reports = culprits.map { culprit in
            var report = template
            report.state = .quarantined
            report.object = culprit.part.object
            report.revision = culprit.part.revision
            report.servedRevision = culprit.standIn?.revision
            report.text = culprit.text
            return report
        }
        reports += suspects.map { part in
            var report = template
            report.object = part.object
            report.revision = part.revision
            report.servedRevision = composition[part.object]?.revision
            return report
        }
        // A line of its own for what no object explains.
        if state == .resting, suspects.isEmpty { reports.append(template) }
        return reports
    }
}
