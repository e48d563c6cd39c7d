// SPDX-License-Identifier: Apache-2.0
#include "appliance/control_client.h"

#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include <httplib.h>

namespace weir {

namespace {

using nlohmann::ordered_json;

Result<ordered_json> read_answer(const httplib::Result& result) {
  ordered_json answer = ordered_json::parse(result->body, nullptr, false);
  if (answer.is_discarded()) return fail("the control plane's answer is not JSON");
  if (result->status < 400) return answer;
  if (answer.is_object() && answer.contains("error") && answer["error"].is_string()) {
    return fail(answer["error"].get<std::string>());
  }
  return fail("the control plane refused (HTTP status " + std::to_string(result->status) + ")");
}

}  // namespace

Result<ordered_json> ControlClient::get(const std::string& path) const {
  return ask(path, nullptr);
}
Result<ordered_json> ControlClient::post(const std::string& path, const std::string& body) const {
  return ask(path, &body);
}

Result<ordered_json> ControlClient::ask(const std::string& path, const std::string* body) const {
  const std::string socket = runtime_dir_ + "/control.sock";
  if (socket.size() >= sizeof(sockaddr_un::sun_path)) return fail("too long a path: " + socket);
  if (access((runtime_dir_ + "/lock").c_str(), F_OK) != 0) {
    return fail("Weir does not run here: there is no " + runtime_dir_ +
                "/lock (another place? --runtime-dir)");
  }
  // A killed control plane is back within some 200 ms; an order is not sent twice.
  constexpr int kTries = 20;
  constexpr auto kBetween = std::chrono::milliseconds(50);
  for (int i = 0; i < kTries; ++i) {
    httplib::Client client(socket);
    client.set_address_family(AF_UNIX);
    client.set_connection_timeout(std::chrono::seconds(2));
    client.set_read_timeout(std::chrono::seconds(8));
    client.set_keep_alive(false);
    const httplib::Result result =
        body == nullptr ? client.Get(path) : client.Post(path, *body, "application/json");
    if (result) return read_answer(result);
    if (result.error() != httplib::Error::Connection) {
      return fail("no answer from the control plane at " + socket + ": " +
                  httplib::to_string(result.error()));
    }
    if (access(socket.c_str(), F_OK) == 0 && access(socket.c_str(), W_OK) != 0) break;
    std::this_thread::sleep_for(kBetween);
  }
  if (access(socket.c_str(), F_OK) == 0 && access(socket.c_str(), W_OK) != 0) {
    return fail("you may not use " + socket + ": be root, or in the group that owns it");
  }
  return fail("the control plane does not answer at " + socket + "; is `weir run` running?");
}

}  // namespace weir
