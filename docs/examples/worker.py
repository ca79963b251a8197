"""A worker that registers over plain gRPC: worker.py CONTROL_PLANE ID SERVICE REGION PORT"""
import queue, signal, sys, threading
from concurrent.futures import ThreadPoolExecutor
import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import proto_reflection_descriptor_database as reflection

control, worker, service, region, port = sys.argv[1:]
server = grpc.server(ThreadPoolExecutor(8))  # Your own services go here, beside the health check.
health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
address = dict(host="127.0.0.1", port=server.add_insecure_port(f"127.0.0.1:{port}"))
server.start()
channel = grpc.insecure_channel(control)  # It describes its messages, so nothing is generated.
pool = descriptor_pool.DescriptorPool(reflection.ProtoReflectionDescriptorDatabase(channel))
Request, Response = (message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
                     for name in ("meridian.v1.RegisterRequest", "meridian.v1.RegisterResponse"))
register = channel.stream_stream("/meridian.v1.WorkerRegistry/Register",
                                 Request.SerializeToString, Response.FromString)
granted, stop, drained = queue.Queue(1), threading.Event(), threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())

def talk():
    yield Request(registration=dict(worker_id=worker, service=service, version="1.0", capacity=8,
                                    locality=dict(region=region), address=address))
    lease = granted.get()
    while not stop.wait(lease.heartbeat_interval.ToTimedelta().total_seconds()):
        yield Request(heartbeat=dict(epoch=lease.epoch, health="HEALTH_SERVING"))
    yield Request(drain=dict(epoch=lease.epoch))
    drained.wait()  # To end the stream before that would take the endpoint out at once.

for answer in register(talk()):  # Raises when the lease is lost: then start again.
    kind = answer.WhichOneof("message")
    print(kind, getattr(answer, kind).epoch, flush=True)
    if kind == "lease": granted.put(answer.lease)
    if kind == "drained": drained.set()
server.stop(grace=10).wait()
