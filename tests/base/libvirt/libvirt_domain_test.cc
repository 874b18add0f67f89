#include "base/libvirt/libvirt_domain.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

constexpr char kDomain[] =
    R"(<domain type='kvm' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>web &amp; mail</name>
  <uuid>C7A5FDBD-EDAF-9455-926A-D65C16DB1809</uuid>
  <metadata>
    <other:thing xmlns:other="urn:other"><other:backend model="pool" name="no" class="no"/></other:thing>
    <entropyd:backend xmlns:entropyd="urn:entropyd:libvirt:1" model="pool" name="default" class="gold"/>
  </metadata>
  <devices><rng model='virtio'><backend model='egd' type='unix'/></rng></devices>
</domain>)";

std::string StatusFile(const std::string& pid) {
  return absl::StrCat("<!--\nWARNING: AUTO-GENERATED\n-->\n<domstatus state='running' pid='", pid,
                      "'>\n  <monitor path='/x'/>\n", kDomain, "\n</domstatus>\n");
}

std::string With(const std::string& from, const std::string& to) {
  return absl::StrReplaceAll(kDomain, {{from, to}});
}

std::string Error(const std::string& xml) {
  auto domain = ParseLibvirtDomain(xml);
  if (domain.ok()) return "no error";
  EXPECT_TRUE(absl::IsInvalidArgument(domain.status())) << domain.status();
  return std::string(domain.status().message());
}

TEST(LibvirtDomainTest, ReadsIdentityAndClassOfADomain) {
  auto domain = ParseLibvirtDomain(kDomain);
  ASSERT_TRUE(domain.ok()) << domain.status();
  EXPECT_EQ(domain->name, "web & mail");
  EXPECT_EQ(domain->uuid, "c7a5fdbd-edaf-9455-926a-d65c16db1809");
  EXPECT_EQ(domain->pid, 0);
  EXPECT_EQ(domain->class_name, "default/gold");
  EXPECT_EQ(domain->class_error, "");
}

TEST(LibvirtDomainTest, ReadsThePidOfAStatusFile) {
  auto domain = ParseLibvirtDomain(StatusFile("4711"));
  ASSERT_TRUE(domain.ok()) << domain.status();
  EXPECT_EQ(domain->pid, 4711);
  EXPECT_EQ(domain->name, "web & mail");
  EXPECT_EQ(domain->class_name, "default/gold");
}

TEST(LibvirtDomainTest, ADomainWithoutOurElementHasNoClass) {
  for (const char* uri : {"urn:entropyd:libvirt:2", "urn:another"}) {
    auto domain = ParseLibvirtDomain(With("urn:entropyd:libvirt:1", uri));
    ASSERT_TRUE(domain.ok()) << domain.status();
    EXPECT_EQ(domain->class_name, "");
    EXPECT_EQ(domain->class_error, "");
  }
  auto bare = ParseLibvirtDomain("<domain><name>n</name></domain>");
  ASSERT_TRUE(bare.ok()) << bare.status();
  EXPECT_EQ(bare->name, "n");
  EXPECT_EQ(bare->uuid, "");
  EXPECT_EQ(bare->class_name, "");
}

TEST(LibvirtDomainTest, AnUnusableElementOfOursLeavesTheIdentity) {
  const struct {
    const char* from;
    const char* to;
    const char* why;
  } cases[] = {{"model=\"pool\" name=\"default\"", "name=\"default\"", "model is ''"},
               {"class=\"gold\"", "", "class=''"},
               {"class=\"gold\"", "class=\"a/b\"", "class='a/b'"},
               {"name=\"default\"", "name=\"\"", "name=''"}};
  for (const auto& c : cases) {
    auto domain = ParseLibvirtDomain(With(c.from, c.to));
    ASSERT_TRUE(domain.ok()) << domain.status();
    EXPECT_EQ(domain->name, "web & mail");
    EXPECT_EQ(domain->class_name, "");
    EXPECT_THAT(domain->class_error, HasSubstr(c.why));
  }
}

TEST(LibvirtDomainTest, RefusesWhatIsNoDomain) {
  EXPECT_THAT(Error(""), HasSubstr("empty"));
  EXPECT_THAT(Error("<network><name>n</name></network>"), HasSubstr("no <domain>"));
  EXPECT_THAT(Error("<domstatus pid='7'><network/></domstatus>"), HasSubstr("no <domain>"));
  EXPECT_THAT(Error("<x:domain xmlns:x='urn:x'><name>n</name></x:domain>"),
              HasSubstr("no <domain>"));
  for (const char* pid : {"", "0", "-1", "seven", "99999999999"}) {
    EXPECT_THAT(Error(StatusFile(pid)), HasSubstr("pid"));
  }
  EXPECT_THAT(Error("<domain><title>n</title></domain>"), HasSubstr("no <name>"));
  EXPECT_THAT(Error("<domain><name>a\nb</name></domain>"), HasSubstr("control characters"));
  EXPECT_THAT(Error(absl::StrCat("<domain><name>", std::string(256, 'a'), "</name></domain>")),
              HasSubstr("longer"));
  EXPECT_THAT(Error("<domain><name>n</name><uuid>7</uuid></domain>"), HasSubstr("<uuid>"));
}

TEST(LibvirtDomainTest, RefusesEveryTruncation) {
  const std::string whole = StatusFile("4711");
  for (size_t length = 0; length + sizeof("</domstatus>\n") <= whole.size(); ++length) {
    EXPECT_NE(Error(whole.substr(0, length)), "no error") << length;
  }
  EXPECT_THAT(Error(whole.substr(0, whole.size() / 2)), HasSubstr("malformed, line "));
}

TEST(LibvirtDomainTest, RefusesDocumentTypesBeforeTheirEntitiesGrow) {
  std::string laughs = "<!DOCTYPE domain [<!ENTITY a0 'ha'>";
  for (int i = 1; i < 64; ++i) {
    absl::StrAppend(&laughs, "<!ENTITY a", i, " '&a", i - 1, ";&a", i - 1, ";'>");
  }
  absl::StrAppend(&laughs, "]><domain><name>&a63;</name></domain>");
  EXPECT_THAT(Error(laughs), HasSubstr("document type"));
  EXPECT_THAT(Error("<!DOCTYPE domain [<!ENTITY f SYSTEM 'file:///etc/passwd'>]>"
                    "<domain><name>&f;</name></domain>"),
              HasSubstr("document type"));
  EXPECT_THAT(
      Error("<!DOCTYPE domain SYSTEM 'http://127.0.0.1:1/x.dtd'><domain><name>n</name></domain>"),
      HasSubstr("document type"));
}

TEST(LibvirtDomainTest, RefusesWhatIsTooLongOrTooDeep) {
  const std::string padding(kMaxLibvirtXmlBytes, ' ');
  EXPECT_THAT(Error(absl::StrCat(kDomain, padding)), HasSubstr("bytes, at most"));
  std::string deep = "<domain><name>n</name>";
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  EXPECT_THAT(Error(deep), HasSubstr("malformed"));
}

// Each connection of the guest repeats it to whoever asks, and across a handover.
TEST(LibvirtDomainTest, WhatOurElementSaysIsBounded) {
  const std::string huge(1'000'000, 'x');
  for (const std::string& element :
       {absl::StrCat("model=\"", huge, "\" name=\"a\" class=\"b\""),
        absl::StrCat("model=\"pool\" name=\"", huge, "\" class=\"b\""),
        absl::StrCat("model=\"pool\" name=\"a\" class=\"", huge, "\"")}) {
    const auto domain =
        ParseLibvirtDomain(absl::StrCat("<domain><name>vm</name><metadata><e:backend "
                                        "xmlns:e=\"urn:entropyd:libvirt:1\" ",
                                        element, "/></metadata></domain>"));
    ASSERT_TRUE(domain.ok()) << domain.status();
    EXPECT_EQ(domain->class_name, "");
    EXPECT_LT(domain->class_error.size(), 200u);
    EXPECT_NE(domain->class_error, "");
  }
  const auto pid = ParseLibvirtDomain(absl::StrCat("<domstatus pid='", huge, "'/>"));
  EXPECT_LT(pid.status().message().size(), 200u);
}

}  // namespace
}  // namespace entropyd
