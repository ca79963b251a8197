/// The bounds of the resources that operators set themselves.
struct RawLimits: Hashable, Sendable {
    /// Selectors with resources, or with versions to remember.
    var maximumSelectors = 10_000
    var maximumResourcesPerSelector = 10_000
    /// Of all selectors together.
    var maximumResources = 50_000
    var maximumTotalBytes = 128 * 1024 * 1024
    /// The content of one resource; the store takes 1 MiB at once.
    var maximumResourceBytes = 512 * 1024
    /// What a client may ask for: see `StreamLimits.maximumNameBytes`.
    var maximumNameBytes = 1_024
    var maximumTypeURLBytes = 512
    var maximumVersionBytes = 128
    var maximumSelectorTextBytes = 256
    /// Resources of one request but a snapshot, which the store takes in one transaction.
    var maximumResourcesPerChange = 64
    var maximumChangeBytes = 768 * 1024
    /// A time to live is renewed three times in its span, each half second at most.
    var timesToLive: ClosedRange<Duration> = .seconds(2) ... .seconds(86_400)
    /// Versions of one resource whose content is remembered; of more the oldest may be used again.
    var maximumRememberedVersions = 32
    /// Removed resources of one selector whose versions are remembered.
    var maximumRememberedRemovals = 1_000
    /// Bytes of content in one answer; who asks for more has to ask for fewer.
    var maximumAnswerBytes = 3 * 1024 * 1024

    /// For what is in the store already: it was within the limits when it came.
    static let stored = {
        var limits = RawLimits()
        limits.maximumResourceBytes = .max
        limits.maximumNameBytes = .max
        limits.maximumTypeURLBytes = .max
        limits.maximumVersionBytes = .max
        limits.maximumSelectorTextBytes = .max
        limits.timesToLive = .zero ... .seconds(Int64.max)
        return limits
    }()
}
