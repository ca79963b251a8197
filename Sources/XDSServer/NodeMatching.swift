import EnvoyAPI
import GRPC
import SwiftProtobuf

extension [Envoy_Type_Matcher_V3_NodeMatcher] {
    /// Any of the matchers; all nodes when there is none.
    func match(_ node: Envoy_Config_Core_V3_Node) -> Bool {
        isEmpty || contains { $0.matches(node) }
    }

    /// Refuses what can't be decided here, so that nobody takes an empty answer for one.
    func check() throws {
        for matcher in self {
            if matcher.hasNodeID { try matcher.nodeID.check("node_matchers.node_id") }
            for metadata in matcher.nodeMetadatas {
                try metadata.value.check("node_matchers.node_metadatas.value")
            }
        }
    }
}

extension Envoy_Type_Matcher_V3_NodeMatcher {
    fileprivate func matches(_ node: Envoy_Config_Core_V3_Node) -> Bool {
        if hasNodeID, !nodeID.matches(node.id) { return false }
        return nodeMetadatas.allSatisfy { $0.matches(node.metadata) }
    }
}

extension Envoy_Type_Matcher_V3_StructMatcher {
    /// What isn't there matches nothing.
    fileprivate func matches(_ metadata: Google_Protobuf_Struct) -> Bool {
        var found = Google_Protobuf_Value(structValue: metadata)
        for segment in path {
            guard case .structValue(let inner) = found.kind, let next = inner.fields[segment.key]
            else { return false }
            found = next
        }
        return value.matches(found)
    }
}

extension Envoy_Type_Matcher_V3_ValueMatcher {
    fileprivate func matches(_ value: Google_Protobuf_Value) -> Bool {
        switch (matchPattern, value.kind) {
        case (.nullMatch, .nullValue): true
        case (.doubleMatch(let matcher), .numberValue(let number)): matcher.matches(number)
        case (.stringMatch(let matcher), .stringValue(let text)): matcher.matches(text)
        case (.boolMatch(let expected), .boolValue(let bool)): expected == bool
        case (.presentMatch(let isPresent), .numberValue),
            (.presentMatch(let isPresent), .stringValue),
            (.presentMatch(let isPresent), .boolValue):
            isPresent
        case (.listMatch(let matcher), .listValue(let list)):
            list.values.contains { matcher.oneOf.matches($0) }
        case (.orMatch(let matcher), _): matcher.valueMatchers.contains { $0.matches(value) }
        // A matcher of another kind than the value, or one that we don't have.
        default: false
        }
    }

    fileprivate func check(_ field: String) throws {
        switch matchPattern {
        case .stringMatch(let matcher): try matcher.check(field)
        case .listMatch(let matcher): try matcher.oneOf.check(field)
        case .orMatch(let matcher):
            for matcher in matcher.valueMatchers { try matcher.check(field) }
        case .nullMatch, .doubleMatch, .boolMatch, .presentMatch: break
        case nil:
            throw GRPCError(.invalidArgument, "\(field): expected a match pattern, got none")
        }
    }
}

extension Envoy_Type_Matcher_V3_DoubleMatcher {
    fileprivate func matches(_ number: Double) -> Bool {
        switch matchPattern {
        case .exact(let exact): number == exact
        case .range(let range): number >= range.start && number < range.end
        case nil: false
        }
    }
}

extension Envoy_Type_Matcher_V3_StringMatcher {
    fileprivate func matches(_ text: String) -> Bool {
        func folded(_ text: String) -> String { ignoreCase ? text.lowercased() : text }
        let text = folded(text)
        return switch matchPattern {
        case .exact(let exact): text == folded(exact)
        case .prefix(let prefix): text.hasPrefix(folded(prefix))
        case .suffix(let suffix): text.hasSuffix(folded(suffix))
        case .contains(let part): text.contains(folded(part))
        case .safeRegex, nil: false
        }
    }

    fileprivate func check(_ field: String) throws {
        switch matchPattern {
        case .exact, .prefix, .suffix, .contains: break
        // Swift's expressions backtrack, which RE2's are there to avoid.
        case .safeRegex:
            throw GRPCError(
                .invalidArgument,
                "\(field): expected exact, prefix, suffix or contains, got safe_regex"
            )
        case nil:
            throw GRPCError(
                .invalidArgument,
                "\(field): expected exact, prefix, suffix or contains, got none"
            )
        }
    }
}
