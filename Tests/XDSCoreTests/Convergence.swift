import Primitives
import XDSCore

/// What a client at rest lacks of its view, or has beyond it; nothing when all is well.
func convergenceProblems(
    of client: FakeClient,
    on status: [SubscriptionStatus],
    view: View,
    refuses: Bool
) -> [String] {
    var problems = [String]()
    if client.isWarming { problems.append("a cluster is warming for ever") }
    let hasRefusedReferrers = status.contains {
        $0.typeURL.refersToClusters && !$0.rejections.isEmpty
    }
    for typeURL in FakeClient.types {
        let has = client.applied(typeURL)
        let journal = view.journal(of: typeURL)
        for resource in journal.resources {
            let isWanted =
                typeURL.hasLegacyWildcard || client.names(typeURL).contains(resource.name)
            guard isWanted, !client.refuses(resource) else { continue }
            if has[resource.name]?.version != resource.version {
                problems.append(
                    "\(resource.reference) is \(resource.version), the client has "
                        + (has[resource.name]?.version.rawValue ?? "nothing")
                )
            }
        }
        // What a client that refuses routes may still need is kept.
        let isKept = typeURL.isReferredTo && hasRefusedReferrers
        let isRemovalTold =
            (client.variant == .delta || typeURL.isFullStateInSotw) && !isKept
        for name in has.keys.sorted() where isRemovalTold && !journal.contains(name) {
            problems.append("\(typeURL.shortName)/\(name) is gone, the client has it")
        }
    }
    for subscription in status where subscription.state != .synced && !refuses {
        let isAbsent = subscription.state == .notSent && subscription.resourceCount == 0
        if !isAbsent {
            problems.append("\(subscription.typeURL.shortName) is \(subscription.state)")
        }
    }
    return problems
}
