extension BootstrapTemplate {
    // swift-format-ignore: a copy of xds/bootstrap/envoy.yaml, as an installed program
    // has no repository.
    /// The text of `xds/bootstrap/envoy.yaml`.
    ///
    /// To change it, change that file, and run its test with `MERIDIAN_UPDATE_GOLDEN=1`
    /// to copy it here.
    package static let envoyText = #"""
        # The bootstrap of a sidecar: who it is, and how it reaches the control plane. All else comes over delta ADS.
        #
        # Names in a dollar sign and braces are filled in by `meridian bootstrap`. Every value is inserted as JSON,
        # which is YAML too, so they stand without quotes here. The program carries a copy of this file
        # (EnvoyTemplate.swift); a test keeps the two equal.
        node:
          # Unique for each process: the control plane tells its streams apart by it.
          id: ${node_id}
          cluster: ${node_cluster}
          # Decides which region is the nearest one.
          locality:
            region: ${region}
            zone: ${zone}
            sub_zone: ${sub_zone}
          metadata:
            meridian:
              role: sidecar
              # Where the control plane binds the listener for the client beside this sidecar.
              listen: ${listen}
        admin:
          address:
            socket_address:
              address: ${admin_host}
              port_value: ${admin_port}
        dynamic_resources:
          ads_config:
            api_type: DELTA_GRPC
            transport_api_version: V3
            set_node_on_first_message_only: true
            grpc_services:
            - envoy_grpc:
                cluster_name: control_plane
                # The default maximum is 30 s, half a minute without configuration after each restart of a control plane.
                retry_policy: {retry_back_off: {base_interval: 0.25s, max_interval: 3s}}
            config_validators:
            # Refuses an update that would leave no cluster at all: an empty control plane must not stop the traffic.
            - name: envoy.config.validators.minimum_clusters
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.config.validators.minimum_clusters.v3.MinimumClustersValidator
                min_clusters_num: 1
          cds_config: {ads: {}, resource_api_version: V3, initial_fetch_timeout: 15s}
          lds_config: {ads: {}, resource_api_version: V3, initial_fetch_timeout: 15s}
        cluster_manager:
          # How much goes where, and how it ends; the control plane says how often.
          load_stats_config:
            api_type: GRPC
            transport_api_version: V3
            grpc_services: [{envoy_grpc: {cluster_name: control_plane}}]
        layered_runtime:
          layers:
          - name: static
            # A call that reaches the route's limit ends with DEADLINE_EXCEEDED and not with UNAVAILABLE.
            static_layer: {envoy.reloadable_features.grpc_timeout_returns_deadline_exceeded: true}
          - name: admin
            admin_layer: {}
        overload_manager:
          refresh_interval: 0.25s
          resource_monitors:
          - name: envoy.resource_monitors.fixed_heap
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig
              max_heap_size_bytes: 1073741824
          - name: envoy.resource_monitors.global_downstream_max_connections
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig
              max_active_downstream_connections: 10000
          actions:
          - name: envoy.overload_actions.shrink_heap
            triggers: [{name: envoy.resource_monitors.fixed_heap, threshold: {value: 0.9}}]
          - name: envoy.overload_actions.stop_accepting_requests
            triggers: [{name: envoy.resource_monitors.fixed_heap, threshold: {value: 0.97}}]
          loadshed_points:
          # Sheds some calls before the memory is full, and more the fuller it is.
          - name: envoy.load_shed_points.http_connection_manager_decode_headers
            triggers: [{name: envoy.resource_monitors.fixed_heap, scaled: {scaling_threshold: 0.9, saturation_threshold: 0.98}}]
        static_resources:
          clusters:
          - name: control_plane
            type: STATIC
            connect_timeout: 1s
            # Health decides at once, and at 1 % nothing is sent to a dead replica while another one lives.
            common_lb_config: {update_merge_window: 0s, healthy_panic_threshold: {value: 1}}
            # Finds a dead replica between two streams, so that a new stream goes to a live one.
            health_checks:
            - {timeout: 0.5s, interval: 1s, no_traffic_interval: 1s, unhealthy_threshold: 2, healthy_threshold: 2, tcp_health_check: {}}
            load_assignment:
              cluster_name: control_plane
              # Replicas of this region are priority 0, those of other regions priority 1.
              endpoints: ${control_plane_endpoints}
            typed_extension_protocol_options:
              envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                # A control plane that hangs is given up after 7 s.
                explicit_http_config: {http2_protocol_options: {connection_keepalive: {interval: 5s, timeout: 2s}}}
            upstream_connection_options: {tcp_keepalive: {keepalive_time: 30, keepalive_interval: 5, keepalive_probes: 3}}

        """#
}
