# Debian packages, one per component of deploy/install.cmake:
#
#   cpack --config build/release/CPackConfig.cmake -B OUT      # needs dpkg-dev
#
# Maintainer scripts are in deploy/package/PACKAGE.SCRIPT.
set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL server hostagent client)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGE_VERSION ${ENTROPYD_DEBIAN_VERSION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
# Debian Policy 10.9, whatever the umask of the build.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
  GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "entropyd maintainers <entropyd@example.org>")
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)

set(CPACK_DEBIAN_SERVER_PACKAGE_NAME entropyd)
set(CPACK_COMPONENT_SERVER_DESCRIPTION "datacenter entropy server
Health-tests and conditions hardware noise sources and shares what they give
out to host agents, by classes with guaranteed rates, over mutual TLS.")
set(CPACK_DEBIAN_SERVER_PACKAGE_RECOMMENDS entropyctl)

# The unit reloads with entropyctl, and the upgrade uses it.
set(CPACK_DEBIAN_HOSTAGENT_PACKAGE_NAME entropyd-hostagent)
set(CPACK_COMPONENT_HOSTAGENT_DESCRIPTION "entropy for the guests of a hypervisor
Buys entropy from an entropyd server and serves it to QEMU guests as EGD. An
upgrade of this package closes no guest's connection.")
set(CPACK_DEBIAN_HOSTAGENT_PACKAGE_DEPENDS "entropyctl (>= ${ENTROPYD_DEBIAN_VERSION})")
set(CPACK_DEBIAN_HOSTAGENT_PACKAGE_ENHANCES "libvirt-daemon, qemu-system-x86")

set(CPACK_DEBIAN_CLIENT_PACKAGE_NAME entropyctl)
set(CPACK_COMPONENT_CLIENT_DESCRIPTION "command line of entropyd
Shows and steers servers and host agents, puts libvirt domains onto an agent,
issues certificates for a first trial.")

# Only in packages: under another prefix it is of no use.
string(TIMESTAMP package_date "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(deploy/package/changelog.in package/changelog @ONLY)
file(ARCHIVE_CREATE OUTPUT ${CMAKE_BINARY_DIR}/package/changelog.gz
  PATHS ${CMAKE_BINARY_DIR}/package/changelog FORMAT raw COMPRESSION GZip COMPRESSION_LEVEL 9)
foreach(package IN ITEMS "server;entropyd" "hostagent;entropyd-hostagent" "client;entropyctl")
  list(POP_FRONT package component)
  install(FILES deploy/package/copyright ${CMAKE_BINARY_DIR}/package/changelog.gz
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package}
    COMPONENT ${component} EXCLUDE_FROM_ALL)
  string(TOUPPER ${component} upper)
  set(scripts)
  foreach(script IN ITEMS postinst prerm postrm)
    if(EXISTS ${CMAKE_SOURCE_DIR}/deploy/package/${package}.${script})
      # CPack names a script after its file.
      configure_file(deploy/package/${package}.${script} package/${package}/${script}
        COPYONLY FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
        WORLD_READ WORLD_EXECUTE)
      list(APPEND scripts ${CMAKE_BINARY_DIR}/package/${package}/${script})
    endif()
  endforeach()
  set(CPACK_DEBIAN_${upper}_PACKAGE_CONTROL_EXTRA "${scripts}")
endforeach()
install(FILES deploy/package/entropyctl.lintian-overrides
  DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides RENAME entropyctl
  COMPONENT client EXCLUDE_FROM_ALL)
include(CPack)
