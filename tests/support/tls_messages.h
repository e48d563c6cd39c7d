// SPDX-License-Identifier: Apache-2.0
// Messages of TLS for tests, as bytes.
#pragma once

#include <string>
#include <string_view>

namespace weir::tls_messages {

inline std::string sized(std::string_view body, unsigned width) {
  std::string s;
  for (unsigned i = width; i != 0; --i) s += static_cast<char>(body.size() >> 8 * (i - 1));
  return s += body;
}
inline std::string extension(unsigned type, std::string_view body) {
  return std::string{static_cast<char>(type >> 8), static_cast<char>(type)} + sized(body, 2);
}
inline std::string message(uint8_t type, std::string_view body) {
  return static_cast<char>(type) + sized(body, 3);
}
inline std::string record(uint8_t type, std::string_view body) {
  return std::string{static_cast<char>(type), 3, 1} + sized(body, 2);
}
inline std::string from_hex(std::string_view hex) {
  std::string s;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    s += static_cast<char>(digit(hex[i]) << 4 | digit(hex[i + 1]));
  }
  return s;
}

// TLS 1.2 with GREASE, SNI test.example, ALPN h2, two groups, two signature algorithms.
inline std::string client_hello() {
  using std::literals::operator""sv;
  const std::string extensions =
      extension(0x0a0a, "") + extension(0, sized(std::string(1, 0) + sized("test.example", 2), 2)) +
      extension(16, sized(sized("h2", 1) + sized("http/1.1", 1), 2)) +
      extension(10, sized("\x1a\x1a\x00\x1d\x00\x17"sv, 2)) + extension(11, sized("\0"sv, 1)) +
      extension(13, sized("\x04\x03\x08\x04"sv, 2));
  return message(1, "\x03\x03" + std::string(32, 'r') + sized("", 1) +
                        sized("\x2a\x2a\xc0\x2f\x00\x2f"sv, 2) + sized("\0"sv, 1) +
                        sized(extensions, 2));
}
// Of TLS 1.2, or 1.3 by extension.
inline std::string server_hello(bool thirteen) {
  using std::literals::operator""sv;
  return message(
      2,
      "\x03\x03" + std::string(32, 's') + sized("", 1) +
          std::string(thirteen ? "\x13\x01\0"sv : "\xc0\x2f\0"sv) +
          sized(thirteen ? extension(43, "\x03\x04") : extension(16, sized(sized("h2", 1), 2)), 2));
}
// C=FR, O=Weir's, CN=test.example; names a.example, 10.0.0.1, x@a.example.
inline std::string certificate() {
  return from_hex(
      "308201da3082017fa0030201020203009f01300a06082a8648ce3d0403023035310b3009060355040613024652"
      "310f300d060355040a0c065765697227733115301306035504030c0c746573742e6578616d706c653020170d32"
      "36313132343136313932305a180f32313236313033313136313932305a3035310b300906035504061302465231"
      "0f300d060355040a0c065765697227733115301306035504030c0c746573742e6578616d706c65305930130607"
      "2a8648ce3d020106082a8648ce3d03010703420004c12d442060e356020d4ba425cffbc00c77e91cc0dedd93d4"
      "f3049587ee7aa4ca9ea1a5684f042b1f64da89fa8489b094ece3420430ce9f017543cf195b48241ba37c307a30"
      "1d0603551d0e041604147d65db52af47d0839a66907db3d45bfeacb8de9c301f0603551d230418301680147d65"
      "db52af47d0839a66907db3d45bfeacb8de9c300f0603551d130101ff040530030101ff30270603551d11042030"
      "1e8209612e6578616d706c6587040a000001810b7840612e6578616d706c65300a06082a8648ce3d0403020349"
      "003046022100cfe086c68068958a755b9933e09efe40101f5302f255ee843b9501add589f609022100a673ddaf"
      "e1d87c835dfe0e06a2ec9c967b74734266abb008c6beeaff29062a60");
}

}  // namespace weir::tls_messages
