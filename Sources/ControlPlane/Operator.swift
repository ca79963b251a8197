import GRPC
import Logging
import MeridianAPI
import Mesh
import Primitives
import Registry
import Store
import XDSServer
import YAML

/// What operators change: each change is checked, stored, and only then takes effect.
actor Operator<Storage: Store> {
    private let store: Storage
    let state: MeshState
    let discovery: DiscoveryService
    let registry: WorkerRegistry<Storage>
    let logger: Logger
    /// The resources that operators set themselves.
    var raw: RawCatalog
    private let turn = ChangeTurn()
    private var current: (fileName: String, yaml: String, revision: Revision)

    init(
        store: Storage,
        state: MeshState,
        discovery: DiscoveryService,
        registry: WorkerRegistry<Storage>,
        raw: RawCatalog,
        current: (fileName: String, yaml: String, revision: Revision),
        logger: Logger
    ) {
        self.store = store
        self.state = state
        self.discovery = discovery
        self.registry = registry
        self.raw = raw
        self.current = current
        self.logger = logger
    }

    var mesh: Meridian_V1_GetMeshResponse {
        .with {
            $0.fileName = current.fileName
            $0.yaml = current.yaml
            $0.revision = UInt64(current.revision.rawValue)
            $0.shares = state.shares.wire
        }
    }

    /// Makes one change after the other, also across its waits.
    func inTurn<Result>(_ change: () async throws -> Result) async throws -> Result {
        try await turn.begin()
        do {
            let result = try await change()
            await turn.end()
            return result
        } catch {
            await turn.end()
            throw error
        }
    }

    func apply(
        _ request: Meridian_V1_ApplyMeshRequest
    ) async throws -> Meridian_V1_ApplyMeshResponse {
        try await inTurn { try await applyInTurn(request) }
    }

    private func applyInTurn(
        _ request: Meridian_V1_ApplyMeshRequest
    ) async throws -> Meridian_V1_ApplyMeshResponse {
        let mesh: Mesh
        do {
            mesh = try Mesh.parse(request.yaml, file: request.fileName)
        } catch {
            throw GRPCError(.invalidArgument, "\(error)")
        }
        var shares = state.shares
        let dropped = shares.meshChanged(to: mesh)
        try await check(mesh, shares)
        // Whoever gave no revision wants the file to stand, whatever was there.
        let compares: [Transaction.Compare] =
            request.expectedRevision == 0
            ? []
            : [
                .modRevision(
                    MeshRecords.meshKey,
                    .equal,
                    Revision(Int64(clamping: request.expectedRevision))
                )
            ]
        let revision = try await commit(
            compares,
            [
                .put(
                    MeshRecords.meshKey,
                    try MeshRecords.encode(fileName: request.fileName, yaml: request.yaml)
                ),
                .put(MeshRecords.sharesKey, try MeshRecords.encode(shares)),
                .put(
                    MeshRecords.serviceRevisionsKey,
                    MeshRecords.encode(unchanged: state.revisions(unchangedIn: mesh))
                ),
            ]
        )
        current = (request.fileName, request.yaml, revision)
        let before = state.mesh
        state.meshChanged(to: mesh, shares: shares, revision: UInt64(revision.rawValue)) {
            discovery.viewsMayHaveChanged(of: $0)
        }
        // These are what a node's scope is read with.
        if before.regions != mesh.regions
            || before.sidecarListenAddress != mesh.sidecarListenAddress
        {
            discovery.viewsMayHaveChanged()
        }
        await registry.directoryChanged(to: state.directory)
        for entry in dropped {
            logger.warning(
                "shares were dropped: the new mesh has no place for them",
                metadata: ["service": "\(entry.service)", "from": "\(entry.from)"]
            )
        }
        return .with { $0.revision = UInt64(revision.rawValue) }
    }

    func setShares(
        _ request: Meridian_V1_SetSharesRequest
    ) async throws -> Meridian_V1_SetSharesResponse {
        try await inTurn { try await setSharesInTurn(request) }
    }

    private func setSharesInTurn(
        _ request: Meridian_V1_SetSharesRequest
    ) async throws -> Meridian_V1_SetSharesResponse {
        var shares = state.shares
        do {
            try shares.set(
                request.percentByRegion,
                of: ServiceName(request.service),
                from: RegionName(request.fromRegion),
                in: state.mesh
            )
        } catch {
            throw GRPCError(.invalidArgument, "\(error)")
        }
        let revision = try await commit(
            [],
            [.put(MeshRecords.sharesKey, try MeshRecords.encode(shares))]
        )
        state.sharesChanged(to: shares)
        return .with { $0.revision = UInt64(revision.rawValue) }
    }

    func commit(
        _ compares: [Transaction.Compare],
        _ operations: [Transaction.Operation],
        whenChanged: String? = nil
    ) async throws -> Revision {
        let result: TransactionResult
        do {
            result = try await store.commit(Transaction(compares: compares, success: operations))
        } catch {
            throw GRPCError(.unavailable, "the change can't be stored: \(error)")
        }
        guard result.succeeded else {
            throw GRPCError(
                .failedPrecondition,
                whenChanged
                    ?? "expected_revision: the mesh is at revision \(current.revision) by now; get it and try again"
            )
        }
        return result.revision
    }
}
