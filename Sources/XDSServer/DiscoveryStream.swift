import EnvoyAPI
import GRPC
import Logging
import NIOCore
import XDSCore

/// One discovery stream: the shell around `ADSStream`, confined to the call's event loop.
final class DiscoveryStream: InlineStreamHandler {
    private let call: ServerCall
    private let service: DiscoveryService
    private var machine: ADSStream
    private(set) var node: Envoy_Config_Core_V3_Node?
    private var view: PublishedView?
    private let connectedAt = ContinuousClock.now
    private var loggedRefusals = 0
    /// Who waits for the client to accept what was published until then; the oldest first.
    private var confirmations: [(snapshot: View, confirmation: Confirmation)] = []

    init(call: ServerCall, service: DiscoveryService, method: DiscoveryMethod) {
        self.call = call
        self.service = service
        self.machine = ADSStream(
            variant: method.variant,
            onlyType: method.onlyType,
            limits: service.configuration.streamLimits
        )
    }

    // MARK: - The call's events

    func received(_ message: MessageBytes) throws {
        switch machine.variant {
        case .delta:
            if try acknowledge(message) { break }
            let incoming = try decoded(message, IncomingRequest<DeltaRequest>.init)
            noteType(incoming.request.typeURL)
            let view = try view(for: incoming.node)
            try perform(machine.received(incoming.request, in: view.current))
        case .stateOfTheWorld:
            let incoming = try decoded(message, IncomingRequest<SotwRequest>.init)
            noteType(incoming.request.typeURL)
            let view = try view(for: incoming.node)
            try perform(machine.received(incoming.request, in: view.current))
        }
        reportAggregateAnswers()
    }

    /// Takes a request that accepts a response and says no more; false for any other.
    private func acknowledge(_ message: MessageBytes) throws -> Bool {
        guard let view,
            let acknowledgement = message.withUnsafeReadableBytes({ DeltaAcknowledgement($0) })
        else { return false }
        var actions: [ADSStream.Action] = []
        machine.acknowledged(
            acknowledgement.typeURL,
            acknowledgement.nonce,
            in: view.current,
            appendingTo: &actions
        )
        try perform(actions)
        return true
    }

    /// Counts what is no protobuf.
    private func decoded<Request>(
        _ message: MessageBytes,
        _ decode: (MessageBytes) throws -> IncomingRequest<Request>
    ) throws -> IncomingRequest<Request> {
        do {
            return try decode(message)
        } catch {
            service.oddities.count(.malformed)
            throw error
        }
    }

    private func noteType(_ typeURL: TypeURL) {
        // On a stream of one type it may be left out.
        if !typeURL.isStandard, !typeURL.rawValue.isEmpty { service.oddities.count(.unknownType) }
    }

    func receivedEnd() {
        call.finish(.ok)
    }

    /// Who reads no answers gets no more of them: each request may ask for much more than it says.
    ///
    /// What is not asked for waits for the client's ACK, so a slow client holds it back by itself.
    var wantsMessages: Bool { call.isWritable }

    func becameWritable() {}

    func closed() {
        view?.remove(self, from: call.eventLoop)
        service.directory.remove(self, of: node?.id, view)
        view = nil
        if let node {
            for (type, memory) in machine.memoriesAtEnd {
                service.memories.remember(memory, of: node.id, type)
            }
        }
        for entry in confirmations { entry.confirmation.streamConfirmed() }
        confirmations = []
    }

    /// `actions` is the caller's scratch space.
    func viewChanged(to view: View, reusing actions: inout [ADSStream.Action]) {
        actions.removeAll(keepingCapacity: true)
        machine.viewChanged(to: view, appendingTo: &actions)
        guard !actions.isEmpty else { return }
        call.flushing { performUnasked(actions) }
    }

    /// The node may get another view than it has.
    ///
    /// A node that gets none now keeps the one that it has: nothing is taken from it by a mistake.
    func viewMayBeAnother() {
        guard let node, let old = view else { return }
        let next: PublishedView
        do {
            next = try service.viewOf(node)
        } catch {
            service.logger.warning(
                "a proxy keeps its view, because it gets no other",
                metadata: ["node": "\(node.id)", "reason": "\(error.status.message)"]
            )
            return
        }
        guard next !== old else { return }
        old.remove(self, from: call.eventLoop)
        next.add(self, on: call.eventLoop)
        service.directory.moved(from: old, to: next)
        view = next
        service.tally.viewMoved()
        performUnasked(machine.viewChanged(to: next.current))
    }

    /// The node may get other resources than those that it refused, on each of its streams.
    private func reportAggregateAnswers() {
        let answers = machine.takeAggregateAnswers()
        guard !answers.isEmpty, let node, service.answered(answers, node.id) else { return }
        service.viewsMayHaveChanged(of: [node.id])
    }

    /// A sibling sent resources, with which some of this stream's have to go.
    func companionsAreDue(with push: Push) {
        performUnasked(machine.companionsAreDue(with: push))
    }

    func watchdogCame() {
        performUnasked(machine.watchdogCame())
    }

    func heartbeatIsDue() {
        performUnasked(machine.heartbeatIsDue())
    }

    /// The registry is complete, or nobody is waited for any longer.
    func endpointsAreKnown() {
        performUnasked(machine.endpointsAreKnown())
    }

    /// Actions of which no request is the cause, so that nobody else answers for their failure.
    private func performUnasked(_ actions: [ADSStream.Action]) {
        do {
            try perform(actions)
        } catch {
            call.finish(GRPCStatus(.internal, "internal error"))
            service.logger.error("a response can't be encoded", metadata: ["error": "\(error)"])
        }
    }

    // MARK: - Confirmations

    /// Reports as soon as the client has accepted all that is published now.
    func report(to confirmation: Confirmation) {
        guard let view, !machine.hasConfirmed(view.current) else {
            return confirmation.streamConfirmed()
        }
        confirmations.removeAll { $0.confirmation.isOver }
        if confirmations.count >= service.configuration.maximumPendingConfirmationsPerStream {
            confirmations.removeFirst()
            service.oddities.count(.droppedConfirmation)
        }
        confirmations.append((view.current, confirmation))
    }

    private func reportConfirmations() {
        confirmations.removeAll { entry in
            guard machine.hasConfirmed(entry.snapshot) else { return false }
            entry.confirmation.streamConfirmed()
            return true
        }
    }

    /// Ends the stream so that the client goes to another replica.
    func shutDown() {
        call.finish(GRPCStatus(.unavailable, "the control plane stops"))
    }

    /// The stream's view; the first request says by its node which one that is (xDS protocol,
    /// "Node").
    private func view(for node: Envoy_Config_Core_V3_Node?) throws -> PublishedView {
        if let view { return view }
        guard let node, !node.id.isEmpty else {
            service.oddities.count(.refusedNode)
            throw GRPCError(
                .invalidArgument,
                "node.id: expected in the first request of the stream"
            )
        }
        guard service.directory.identify(self, as: node.id) else {
            service.oddities.count(.refusedNode)
            let limit = service.configuration.maximumStreamsPerNode
            throw GRPCError(.resourceExhausted, "maximumStreamsPerNode is \(limit)")
        }
        self.node = node
        // After the directory knows the node: whoever changes its view from now on finds this
        // stream.
        let view: PublishedView
        do {
            view = try service.viewOf(node)
        } catch {
            service.oddities.count(.refusedNode)
            throw error.status
        }
        self.view = view
        service.directory.entered(view)
        if node.understandsWrappers { machine.learnedOfWrappers() }
        if service.areEndpointsProvisional { machine.endpointsAreProvisional() }
        machine.recalled(service.memories.memories(of: node.id))
        view.add(self, on: call.eventLoop)
        service.logger.info(
            "a proxy connected",
            metadata: ["node": "\(node.id)", "region": "\(node.locality.region)"]
        )
        return view
    }

    // MARK: - The machine's actions

    private func perform(_ actions: [ADSStream.Action]) throws {
        for action in actions {
            switch action {
            case .send(let push):
                call.send(try service.frames.frame(for: push))
                service.tally.responseSent()
                if push.isHeartbeat { service.tally.heartbeatSent() }
            case .companionsBelongElsewhere(let push):
                tellSiblings(of: push)
            case .acknowledged:
                service.tally.acknowledged()
            case .rejected(let type, _, let version, let error):
                service.tally.rejected()
                logRefusal(type, version, error)
            case .ignoredNonce:
                service.oddities.count(.ignoredNonce)
            case .remember(let type, let memory):
                if let node { service.memories.remember(memory, of: node.id, type) }
            case .overdue(let type, let neverAsked):
                service.tally.overdue(neverAsked: neverAsked.count)
                service.logger.warning(
                    "a proxy has left a response unanswered for long",
                    metadata: [
                        "node": "\(node?.id ?? "")", "type": "\(type.shortName)",
                        "neverAsked": "\(neverAsked.prefix(10).map(\.description))",
                    ]
                )
            case .violation(let violation):
                service.tally.violated()
                call.finish(violation.status)
            }
        }
        if !confirmations.isEmpty { reportConfirmations() }
    }

    private func logRefusal(_ type: TypeURL, _ version: Version, _ error: ErrorDetail) {
        // A client may refuse as fast as it asks; `xds_nacks` and CSDS go on.
        guard loggedRefusals < service.configuration.maximumLoggedRefusalsPerStream else { return }
        loggedRefusals += 1
        let refused = machine.status.first { $0.typeURL == type }?.rejections ?? []
        let origins = Set(refused.flatMap { $0.rejection.origin?.objects ?? [] }).sorted()
        service.logger.warning(
            "a proxy refused a response",
            metadata: [
                "node": "\(node?.id ?? "")", "type": "\(type.shortName)",
                "version": "\(version)", "error": "\(error.message)",
                "resources": "\(refused.prefix(10).map(\.name.rawValue))",
                "from": "\(origins.prefix(10))",
            ]
        )
    }

    /// On this event loop at once, so that the client gets both in the order in which they were
    /// sent.
    private func tellSiblings(of push: Push) {
        guard let node else { return }
        for sibling in service.directory.siblings(of: self, node.id) {
            if sibling.eventLoop.inEventLoop {
                sibling.value.companionsAreDue(with: push)
            } else {
                sibling.eventLoop.execute { sibling.value.companionsAreDue(with: push) }
            }
        }
    }

    // MARK: - Status

    /// Where each of the node's resources stands.
    var resourceStatuses: [ResourceStatus] { machine.resourceStatuses }

    func status(withResources: Bool) -> ProxyStatus? {
        guard let node else { return nil }
        return ProxyStatus(
            nodeID: node.id,
            region: node.locality.region,
            zone: node.locality.zone,
            subZone: node.locality.subZone,
            userAgent: node.userAgentName,
            variant: machine.variant,
            types: machine.status,
            connected: connectedAt.duration(to: .now),
            resources: withResources ? machine.resourceStatuses : nil
        )
    }
}

extension Envoy_Config_Core_V3_Node {
    /// Both names are in use (Envoy's list of client features, gRPC's clients).
    fileprivate var understandsWrappers: Bool {
        clientFeatures.contains("xds.config.resource-in-sotw")
            || clientFeatures.contains("xds.config.supports-resource-in-sotw")
    }
}

extension Violation {
    fileprivate var status: GRPCStatus {
        switch code {
        case .malformedRequest: GRPCStatus(.invalidArgument, message)
        case .limitExceeded: GRPCStatus(.resourceExhausted, message)
        }
    }
}

extension RefusedNode {
    fileprivate var status: GRPCError {
        switch self {
        case .invalid(let reason): GRPCError(.invalidArgument, reason)
        case .exhausted(let reason): GRPCError(.resourceExhausted, reason)
        }
    }
}
