import Primitives
import XDSCore

/// A resource as the tests write it: `cds a 1` is the cluster `a` at version `1`.
///
/// A cluster's companion is the load assignment with its name, as in the real translation.
func sample(_ text: String) -> EncodedResource {
    let words = text.split(separator: " ").map(String.init)
    precondition(words.count == 3, "a sample is: type name version")
    let typeURL = sampleType(words[0])
    let name = ResourceName(words[1])
    return EncodedResource(
        typeURL: typeURL,
        name: name,
        version: Version(words[2]),
        bytes: Array(text.utf8),
        companions: typeURL == .cluster ? [ResourceReference(.clusterLoadAssignment, name)] : []
    )
}

func sampleType(_ shortName: String) -> TypeURL {
    TypeURL.standard.first { $0.shortName == shortName } ?? TypeURL(shortName)
}

extension View {
    /// A view with these samples, one each line or separated by commas.
    static func sample(_ text: String, id: UInt64 = 1) -> View {
        View(id: ViewID(id)).with(text)
    }

    /// The next snapshot, with exactly these samples.
    func with(_ text: String) -> View {
        replacing(with: samples(text))
    }
}

func samples(_ text: String) -> [EncodedResource] {
    text.split { $0 == "," || $0 == "\n" }
        .map { $0.trimmingSpaces }
        .filter { !$0.isEmpty }
        .map { sample($0) }
}

extension Substring {
    fileprivate var trimmingSpaces: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

extension Push {
    /// `cds +a=1 -b`: what goes out, in its order.
    var summary: String {
        ([typeURL.shortName] + (isHeartbeat ? ["heartbeat"] : [])
            + resources.map { "+\($0.name)=\($0.version)" }
            + removedNames.map { "-\($0)" })
            .joined(separator: " ")
    }
}

/// A stream with a client that answers when the test says so.
final class TestStream {
    private var stream: ADSStream
    private(set) var view: View
    /// The responses that the client hasn't answered, oldest first.
    private(set) var unanswered: [Push] = []
    /// All responses so far.
    private(set) var pushes: [Push] = []
    private(set) var violations: [Violation] = []
    /// The responses whose companions belong to other streams.
    private(set) var elsewhere: [Push] = []
    /// What is to be known on the client's next stream.
    private(set) var memories: [TypeURL: ClientMemory] = [:]
    private(set) var overdue: [String] = []

    init(
        _ variant: ProtocolVariant = .delta,
        view: View,
        onlyType: TypeURL? = nil,
        limits: StreamLimits = StreamLimits()
    ) {
        self.stream = ADSStream(variant: variant, onlyType: onlyType, limits: limits)
        self.view = view
    }

    var lastPush: Push? { pushes.last }

    func status(_ shortName: String) -> SubscriptionStatus? {
        stream.status.first { $0.typeURL == sampleType(shortName) }
    }

    func state(_ shortName: String) -> SubscriptionStatus.State? {
        status(shortName)?.state
    }

    // MARK: Events; each returns the summaries of what was sent

    @discardableResult
    func subscribe(
        _ type: String,
        _ names: ResourceName...,
        unsubscribe: [ResourceName] = [],
        has versions: [ResourceName: Version] = [:],
        nonce: String = ""
    ) -> [String] {
        request(
            DeltaRequest(
                typeURL: sampleType(type),
                subscribe: names,
                unsubscribe: unsubscribe,
                initialVersions: versions,
                nonce: nonce
            )
        )
    }

    @discardableResult
    func request(_ request: DeltaRequest) -> [String] {
        took(stream.received(request, in: view))
    }

    /// A SotW request; with the nonce of the last response of the type if `nonce` is nil.
    @discardableResult
    func ask(
        _ type: String,
        _ names: ResourceName...,
        version: Version = "",
        nonce: String? = nil
    ) -> [String] {
        let typeURL = sampleType(type)
        let last = pushes.last { $0.typeURL == typeURL }
        return request(
            SotwRequest(
                typeURL: typeURL,
                version: version,
                names: names,
                nonce: nonce ?? last?.nonce.text ?? ""
            )
        )
    }

    @discardableResult
    func request(_ request: SotwRequest) -> [String] {
        unanswered.removeAll { $0.typeURL == request.typeURL && $0.nonce.text == request.nonce }
        return took(stream.received(request, in: view))
    }

    /// The next stream of the same client.
    func successor(view: View? = nil) -> TestStream {
        let next = TestStream(stream.variant, view: view ?? self.view)
        next.stream.recalled(memories)
        return next
    }

    @discardableResult
    func watchdogCame() -> [String] {
        took(stream.watchdogCame())
    }

    func endpointsAreProvisional() {
        stream.endpointsAreProvisional()
    }

    @discardableResult
    func endpointsAreKnown() -> [String] {
        took(stream.endpointsAreKnown())
    }

    func learnedOfWrappers() {
        stream.learnedOfWrappers()
    }

    @discardableResult
    func heartbeatIsDue() -> [String] {
        took(stream.heartbeatIsDue())
    }

    @discardableResult
    func companionsAreDue(with push: Push) -> [String] {
        took(stream.companionsAreDue(with: push))
    }

    /// `cds/a: synced`, one for each resource.
    var resourceStates: [String] {
        stream.resourceStatuses.map { status in
            let state: String
            switch status.state {
            case .nacked(let rejection): state = "nacked, \(rejection.error.message)"
            case .synced, .sent, .notSent, .absent: state = "\(status.state)"
            }
            return "\(ResourceReference(status.typeURL, status.name)): \(state)"
        }
    }

    func hasConfirmed(_ snapshot: View) -> Bool {
        stream.hasConfirmed(snapshot)
    }

    @discardableResult
    func publish(_ text: String) -> [String] {
        show(view.with(text))
    }

    @discardableResult
    func show(_ next: View) -> [String] {
        view = next
        return took(stream.viewChanged(to: next))
    }

    /// Answers the oldest response of the type (delta).
    @discardableResult
    func ack(_ type: String) -> [String] {
        answer(type, error: nil)
    }

    @discardableResult
    func nack(_ type: String, _ text: String = "refused") -> [String] {
        answer(type, error: ErrorDetail(code: 13, message: text))
    }

    /// Accepts this response, without answers to older ones of its type.
    func answeredAll(upTo push: Push) {
        unanswered.removeAll { $0.typeURL == push.typeURL }
        request(DeltaRequest(typeURL: push.typeURL, nonce: push.nonce.text))
    }

    /// Answers everything until nothing more comes.
    func ackAll() {
        while let push = unanswered.first {
            ack(push.typeURL.shortName)
        }
    }

    private func answer(_ type: String, error: ErrorDetail?) -> [String] {
        let typeURL = sampleType(type)
        guard let index = unanswered.firstIndex(where: { $0.typeURL == typeURL }) else {
            return ["nothing to answer"]
        }
        let push = unanswered.remove(at: index)
        return took(
            stream.received(
                DeltaRequest(typeURL: typeURL, nonce: push.nonce.text, error: error),
                in: view
            )
        )
    }

    private func took(_ actions: [ADSStream.Action]) -> [String] {
        var summaries = [String]()
        for action in actions {
            switch action {
            case .send(let push):
                pushes.append(push)
                unanswered.append(push)
                summaries.append(push.summary)
            case .violation(let violation):
                violations.append(violation)
            case .companionsBelongElsewhere(let push):
                elsewhere.append(push)
            case .remember(let type, let memory):
                memories[type] = memory
            case .overdue(let type, let neverAsked):
                overdue.append("\(type.shortName) \(neverAsked.map(\.description))")
            case .acknowledged, .rejected, .ignoredNonce:
                break
            }
        }
        return summaries
    }
}

extension EncodedResource {
    /// The same with a time to live.
    func living(for span: Duration) -> EncodedResource {
        EncodedResource(
            typeURL: typeURL,
            name: name,
            version: version,
            bytes: bytes,
            companions: companions,
            timeToLive: span,
            origin: origin
        )
    }
}
