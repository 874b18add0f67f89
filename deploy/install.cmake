# Where `cmake --install` puts things. Each component is a Debian package (deploy/package.cmake).
include(GNUInstallDirs)
install(TARGETS entropyd RUNTIME COMPONENT server)
install(TARGETS entropyd-hostagent RUNTIME COMPONENT hostagent)
install(TARGETS entropyctl RUNTIME COMPONENT client)
if(TARGET entropyd-guest-init)
  install(TARGETS entropyd-guest-init RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT client)
endif()
# The units run the programs where they are installed. Which prefix that is, only the installation knows: --prefix
# chooses another one than the build, and cpack installs into a folder of its own what a package then has in /usr.
function(entropyd_install_units component)
  foreach(unit IN LISTS ARGN)
    set(source ${CMAKE_SOURCE_DIR}/deploy/systemd/${unit})
    set(made ${CMAKE_BINARY_DIR}/systemd/${unit})
    install(CODE "
      set(prefix \"\${CMAKE_INSTALL_PREFIX}\")
      if(prefix MATCHES \"/_CPack_Packages/\")
        set(prefix /usr)
      endif()
      file(READ \"${source}\" text)
      string(REPLACE \"/usr/bin/\" \"\${prefix}/${CMAKE_INSTALL_BINDIR}/\" text \"\${text}\")
      file(WRITE \"${made}\" \"\${text}\")" COMPONENT ${component})
    install(FILES ${made} DESTINATION lib/systemd/system COMPONENT ${component})
  endforeach()
endfunction()
entropyd_install_units(server entropyd.service)
entropyd_install_units(hostagent entropyd-hostagent.service entropyd-hostagent.socket)
foreach(sample IN ITEMS "server;entropyd" "hostagent;entropyd-hostagent" "client;entropyctl")
  list(POP_FRONT sample component package)
  set(file ${component})
  if(component STREQUAL "hostagent")
    set(file agent)
  endif()
  install(FILES deploy/config/${file}.yaml DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package}/examples
    COMPONENT ${component})
endforeach()
# Not into /etc/apparmor.d: the file there belongs to the host, which appends this one.
install(FILES deploy/apparmor/libvirt-qemu DESTINATION ${CMAKE_INSTALL_DATADIR}/entropyd/apparmor
  COMPONENT hostagent)
install(FILES deploy/selinux/entropyd_hostagent.te deploy/selinux/entropyd_hostagent.fc
  DESTINATION ${CMAKE_INSTALL_DATADIR}/entropyd/selinux COMPONENT hostagent)
include(deploy/package.cmake)
