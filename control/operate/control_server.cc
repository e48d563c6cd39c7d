// SPDX-License-Identifier: Apache-2.0
#include "control/operate/control_server.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <httplib.h>

namespace weir {

namespace {

constexpr size_t kWaitingMax = 32;
constexpr auto kPatience = std::chrono::seconds(5);
constexpr size_t kBodyBytesMax = 64 * 1024;
constexpr int kThreads = 4;  // per socket; each serves one connection at a time

// Requests on their way to the control thread and back.
class Queue {
 public:
  // A socket's thread: waits for the answer.
  ControlReply ask(ControlRequest request) {
    auto waiting = std::make_shared<Waiting>();
    waiting->request = std::move(request);
    std::unique_lock lock(mutex_);
    if (closed_ || queue_.size() >= kWaitingMax) return busy();
    queue_.push_back(waiting);
    answered_.wait_for(lock, kPatience, [&] { return waiting->done || closed_; });
    if (waiting->done) return std::move(waiting->reply);
    std::erase(queue_, waiting);
    return busy();
  }

  // The control thread. `answer` runs without the lock.
  template <class Answer>
  int serve(Answer&& answer) {
    int served = 0;
    while (served < static_cast<int>(kWaitingMax)) {  // the loop has other work, too
      const auto waiting = take();
      if (waiting == nullptr) break;
      ControlReply reply = answer(waiting->request);
      const std::lock_guard lock(mutex_);
      waiting->reply = std::move(reply);
      waiting->done = true;
      answered_.notify_all();
      ++served;
    }
    return served;
  }

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    answered_.notify_all();
  }

 private:
  struct Waiting {
    ControlRequest request;
    ControlReply reply;
    bool done = false;
  };
  static ControlReply busy() {
    return {503, "{\"error\":\"the control plane is busy or stopping; ask again\"}"};
  }
  std::shared_ptr<Waiting> take() {
    const std::lock_guard lock(mutex_);
    if (queue_.empty()) return nullptr;
    auto first = queue_.front();
    queue_.pop_front();
    return first;
  }

  std::mutex mutex_;
  std::condition_variable answered_;
  std::deque<std::shared_ptr<Waiting>> queue_;
  bool closed_ = false;
};

void bound(httplib::Server& server) {
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_payload_max_length(kBodyBytesMax);
  server.set_keep_alive_max_count(1);
  server.set_read_timeout(kPatience);
  server.set_write_timeout(kPatience);
}

httplib::Server::Handler pass_on(Queue& queue) {
  return [&queue](const httplib::Request& in, httplib::Response& out) {
    ControlRequest request{in.method, in.path, {in.params.begin(), in.params.end()}, in.body};
    ControlReply reply = queue.ask(std::move(request));
    out.status = reply.status;
    out.set_content(std::move(reply.body), reply.content_type);
  };
}

}  // namespace

struct ControlServer::Parts {
  Queue queue;
  httplib::Server local, metrics;
  std::string socket_path;
  std::thread local_thread, metrics_thread;

  ~Parts() {
    queue.close();
    local.stop();
    metrics.stop();
    if (local_thread.joinable()) local_thread.join();
    if (metrics_thread.joinable()) metrics_thread.join();
    unlink(socket_path.c_str());
  }
};

ControlServer::ControlServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ControlServer::~ControlServer() = default;

Result<std::unique_ptr<ControlServer>> ControlServer::open(const Config& config,
                                                           const ControlOptions& options) {
  auto parts = std::make_unique<Parts>();
  const std::string path = config.socket_path();
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return fail("the control socket's path is too long: " + path);
  }
  bound(parts->local);
  parts->local.set_address_family(AF_UNIX);
  parts->local.Get(".*", pass_on(parts->queue));
  parts->local.Post(".*", pass_on(parts->queue));
  unlink(path.c_str());  // of a control plane that was killed
  const mode_t mask = umask(0117);
  const bool listening = parts->local.bind_to_port(path, 80);
  umask(mask);
  if (!listening) return fail("cannot listen on " + path + ": " + std::strerror(errno));
  parts->socket_path = path;
  parts->local_thread = std::thread([&server = parts->local] { server.listen_after_bind(); });

  if (!config.metrics.host.empty()) {
    bound(parts->metrics);
    parts->metrics.Get("/metrics", pass_on(parts->queue));
    if (parts->metrics.bind_to_port(config.metrics.host, config.metrics.port)) {
      parts->metrics_thread =
          std::thread([&server = parts->metrics] { server.listen_after_bind(); });
    } else if (options.tell) {
      options.tell(Telling::kWarning,
                   fmt::format("cannot listen on {}:{} for /metrics: {}", config.metrics.host,
                               config.metrics.port, std::strerror(errno)));
    }
  }
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(parts)));
}

int ControlServer::do_work(ControlPlane& plane, TimeNs now) {
  return parts_->queue.serve(
      [&](const ControlRequest& request) { return plane.answer(request, now); });
}

}  // namespace weir
