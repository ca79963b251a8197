/// What a client said of a resource that is made of several objects' parts.
package struct AggregateAnswer: Sendable {
    package enum Verdict: Sendable {
        /// It has it.
        case accepted
        /// It keeps what it accepted before, as far as that is known.
        case refused(acceptedBefore: ResourceOrigin?, ErrorDetail)
    }

    package let reference: ResourceReference
    /// What the version that it speaks of was made from.
    package let origin: ResourceOrigin
    package let verdict: Verdict

    package init(reference: ResourceReference, origin: ResourceOrigin, verdict: Verdict) {
        self.reference = reference
        self.origin = origin
        self.verdict = verdict
    }
}

extension TypeURL {
    /// Whether resources of this type may be made of several objects' parts.
    var mayBeAggregate: Bool { refersToClusters }
}

extension Subscription {
    mutating func noteAccepted(_ push: Push) {
        guard typeURL.mayBeAggregate, !push.isHeartbeat else { return }
        push.forEachName { name, resource in
            if let resource { noteAccepted(resource) }
        }
    }

    /// A client that comes back says which versions it has.
    mutating func noteAccepted(
        _ versions: [ResourceName: Version],
        in journal: ResourceJournal
    ) {
        guard typeURL.mayBeAggregate else { return }
        for (name, version) in versions {
            guard let resource = journal.resource(named: name), resource.version == version else {
                continue
            }
            noteAccepted(resource)
        }
    }

    /// Only what is certain: of other resources in the response nobody knows whether they were
    /// refused, and they go again alone.
    mutating func noteRefused(_ push: Push, _ error: ErrorDetail) {
        guard typeURL.mayBeAggregate else { return }
        for (name, rejection) in rejections {
            guard rejection.nonce == push.nonce, rejection.isNamed, let origin = rejection.origin,
                origin.isAggregate
            else { continue }
            let before = acceptedAggregates.first { $0.name == name }?.origin
            aggregateAnswers.append(
                AggregateAnswer(
                    reference: ResourceReference(typeURL, name),
                    origin: origin,
                    verdict: .refused(acceptedBefore: before, error)
                )
            )
        }
    }

    private mutating func noteAccepted(_ resource: EncodedResource) {
        guard let origin = resource.origin, origin.isAggregate else { return }
        acceptedAggregates.removeAll { $0.name == resource.name }
        acceptedAggregates.append((resource.name, origin))
        aggregateAnswers.append(
            AggregateAnswer(reference: resource.reference, origin: origin, verdict: .accepted)
        )
    }
}

extension ADSStream {
    /// What the client has said of aggregates since this was called last.
    package mutating func takeAggregateAnswers() -> [AggregateAnswer] {
        var answers: [AggregateAnswer] = []
        forEachAggregateSubscription { subscription in
            guard !subscription.aggregateAnswers.isEmpty else { return }
            answers += subscription.aggregateAnswers
            subscription.aggregateAnswers = []
        }
        return answers
    }
}
