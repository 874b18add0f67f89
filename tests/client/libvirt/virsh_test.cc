// Tests with a shell script instead of virsh. It prints how it was called, or fails as virsh does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "client/libvirt/libvirt_host.h"
#include "client/process/scratch_dir.h"
#include "client/process/whole_file.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class VirshTest : public testing::Test {
 protected:
  ScratchDir dir_ = ScratchDir::Temporary("virsh-test").value();

  std::unique_ptr<LibvirtHost> Host(const std::string& body, const std::string& uri = "") {
    const std::string script = dir_.File("virsh");
    EXPECT_TRUE(WriteFile(script,
                          absl::StrCat("#!/bin/sh\nprintf '%s\\n' \"$LC_ALL\" \"$@\" >>",
                                       dir_.File("words"), "\n", body, "\n"),
                          0755)
                    .ok());
    return ConnectVirsh(uri, script).value();
  }
  std::string Words() { return ReadFile(dir_.File("words")).value_or(""); }
};

TEST_F(VirshTest, DomainsHaveUuidIdAndANameThatMayHaveBlanks) {
  auto host = Host("printf 'AB-1 7 web 1\\nab-2 - -x\\nab-3 - 7\\n\\n'");
  const std::vector<LibvirtName> domains = host->Domains().value();
  ASSERT_EQ(domains.size(), 3u);
  EXPECT_EQ(domains[0].uuid, "ab-1");
  EXPECT_EQ(domains[0].id, "7");
  EXPECT_EQ(domains[0].name, "web 1");
  EXPECT_EQ(domains[1].id, "");
  EXPECT_EQ(domains[1].name, "-x");
  EXPECT_EQ(domains[2].name, "7");
  EXPECT_EQ(Words(), "C\n--quiet\nlist\n--all\n--uuid\n--id\n--name\n");
  EXPECT_EQ(Host("echo what")->Domains().status().code(), absl::StatusCode::kInternal);
}

TEST_F(VirshTest, TheUriComesBeforeTheCommandAndIsOneWord) {
  auto host = Host("", "qemu+ssh://h/system; rm -rf /");
  ASSERT_TRUE(host->DumpXml("$(id)", LibvirtView::kDefined).ok());
  EXPECT_EQ(Words(),
            "C\n--quiet\n--connect\nqemu+ssh://h/system; rm -rf /\ndumpxml\n--domain\n$(id)\n"
            "--security-info\n--inactive\n");
}

TEST_F(VirshTest, StateIsReadFromTheWordsOfDominfo) {
  auto host = Host("printf 'Id:             -\\nName: g1\\nPersistent:     yes\\n'");
  EXPECT_FALSE(host->State("g1")->running);
  EXPECT_TRUE(host->State("g1")->persistent);
  host = Host("printf 'Id:             12\\nPersistent:     no\\n'");
  EXPECT_TRUE(host->State("g1")->running);
  EXPECT_FALSE(host->State("g1")->persistent);
}

TEST_F(VirshTest, XmlGoesThroughAFileAndComesBackWhole) {
  auto host = Host("while [ $# -gt 0 ]; do [ \"$1\" = --file ] && cat \"$2\" >" +
                   dir_.File("sent") + "; shift; done; echo '<domain/>'");
  ASSERT_TRUE(host->Define("<domain>é</domain>").ok());
  EXPECT_EQ(ReadFile(dir_.File("sent")).value(), "<domain>é</domain>");
  ASSERT_TRUE(host->AttachDevice("g1", "<rng/>").ok());
  EXPECT_EQ(ReadFile(dir_.File("sent")).value(), "<rng/>");
  EXPECT_EQ(host->DumpXml("g1", LibvirtView::kRunning).value(), "<domain/>\n");
}

TEST_F(VirshTest, MetadataIsSetAndRemovedUnderOurName) {
  auto host = Host("");
  ASSERT_TRUE(host->SetMetadata("g1", "<backend/>").ok());
  ASSERT_TRUE(host->SetMetadata("g1", "").ok());
  EXPECT_THAT(Words(), AllOf(HasSubstr("--uri\nurn:entropyd:libvirt:1\n--live\n--key\nentropyd\n"
                                       "--set\n<backend/>\n"),
                             HasSubstr("--live\n--remove\n")));
}

TEST_F(VirshTest, FailuresHaveVirshsWordsAndACode) {
  EXPECT_EQ(
      Host("echo \"error: failed to get domain 'x'\" >&2; exit 1")->State("x").status().code(),
      absl::StatusCode::kNotFound);
  EXPECT_EQ(Host("echo 'error: failed to connect to the hypervisor' >&2; exit 1")
                ->Domains()
                .status()
                .code(),
            absl::StatusCode::kUnavailable);
  const absl::Status other = Host("echo 'error: what?' >&2; exit 1")->Define("<domain/>");
  EXPECT_EQ(other.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(other.message()), HasSubstr("virsh define: error: what?"));
  const absl::Status missing = ConnectVirsh("", "/nonexistent/virsh").value()->Domains().status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("libvirt-clients"));
}

}  // namespace
}  // namespace entropyd
