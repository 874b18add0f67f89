#include "base/process/host_port.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(HostPortTest, TakesNamesAndAddressesOfBothFamilies) {
  for (const auto& [text, host, port] : {std::tuple{"localhost:1", "localhost", 1},
                                         {"127.0.0.1:0", "127.0.0.1", 0},
                                         {"[::1]:65535", "::1", 65535},
                                         {"[::]:7743", "::", 7743}}) {
    const absl::StatusOr<HostPort> parsed = ParseHostPort(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(parsed->host, host);
    EXPECT_EQ(parsed->port, port);
  }
}

TEST(HostPortTest, GuessesNothing) {
  for (const char* text :
       {"",        "localhost",      "127.0.0.1",     ":7743",    "h:",        "h:x",
        "h:65536", "h:-1",           "::1:7743",      "[::1]",    "[::1:7743", "[localhost]:7743",
        "[]:1",    "https://h:7743", "dns:///h:7743", "h/x:7743", "h:+1",      "h: 1",
        "h:1 ",    " h:1",           "h:1/"}) {
    const absl::Status status = ParseHostPort(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(status.message(),
              absl::StrCat("'", text, "' is no address; write HOST:PORT or [IPV6]:PORT"));
  }
}

TEST(HostPortTest, NobodyCanBeReachedAtPort0) {
  EXPECT_TRUE(ParseHostPort("h:0").ok());
  EXPECT_EQ(ParseRemoteHostPort("h:1").value().port, 1);
  EXPECT_EQ(ParseRemoteHostPort("h:0").status().message(),
            "'h:0' has no port; write HOST:PORT with the port of the other side");
  EXPECT_EQ(ParseRemoteHostPort("h").status().message(), ParseHostPort("h").status().message());
}

}  // namespace
}  // namespace entropyd
