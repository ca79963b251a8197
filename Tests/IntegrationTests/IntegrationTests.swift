import Testing

/// The programs together, with the real Envoy between them.
///
/// One after the other: three or four processes for each test are as much as two cores take without
/// starving one of them.
@Suite(.serialized, .timeLimit(.minutes(10)))
enum IntegrationTests {}
