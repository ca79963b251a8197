// One HTTP/2 connection to the server, and the calls on it.
//
// The protocol is libnghttp2's, so that neither gRPC library under test is also the judge. Nothing is written before
// `Flush`: what a caller prepares goes out in one system call.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <vector>

class Connection;

// A call, as its connection sees it.
class Call {
 public:
  virtual ~Call() = default;

  struct Piece {
    std::size_t bytes = 0;
    // Nothing follows: the stream is half-closed behind this piece.
    bool is_last = false;
  };
  // What to send next. No bytes and not the last: nothing for now, and `Connection::Resume` asks again.
  virtual Piece Next(std::uint8_t* buffer, std::size_t room) = 0;
  virtual void Received(const std::uint8_t* data, std::size_t length) = 0;
  // The stream is closed; `ok` when it ended with `grpc-status: 0` and nothing was wrong with it.
  virtual void Ended(bool ok) = 0;

 private:
  friend class Connection;
  friend struct Callbacks;
  std::int32_t stream_ = 0;
  bool is_deferred_ = false;
  bool has_ok_status_ = false;
};

class Connection {
 public:
  // Connects to 127.0.0.1, and has epoll report readiness with this object as its data.
  Connection(int port, int epoll);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Begins a call, which must live until it has ended.
  void Open(const char* path, Call* call);
  // The call has something to send again.
  void Resume(Call* call);
  // Reads what is there and hands it to the calls. Their answers wait for `Flush`.
  void Read();
  // Writes what is ready; the rest goes out when the socket has room.
  void Flush();

 private:
  void Watch(bool for_writing);

  const int epoll_;
  int socket_ = -1;
  nghttp2_session* session_ = nullptr;
  // What nghttp2 has produced and the socket has not taken.
  std::vector<std::uint8_t> output_;
  bool is_watched_for_writing_ = false;
};
