# The LibTorch in TRIVIUM_LIBTORCH as target `libtorch`; sets TRIVIUM_RPATH and, with a CUDA build of it, TRIVIUM_NVCC.
#
# Not find_package(Torch): its package file of a CUDA build wants the whole CUDA toolkit, also where only the CPU is used, and
# links libraries that nothing here calls.
#
# A CUDA build needs no switch. Code of ours sees
#   TRIVIUM_CUDA            LibTorch has CUDA and its headers (c10/cuda/…, ATen/cuda/…) can be included
#   TRIVIUM_CUDA_KERNELS    nvcc is there as well: native/**/*.cu are compiled in
set(TRIVIUM_LIBTORCH "" CACHE PATH "folder with LibTorch's include/ and lib/")
set(TRIVIUM_LIBTORCH_OLDEST 2.11)
set(TRIVIUM_LIBTORCH_NEWEST 2.14)

if(NOT EXISTS "${TRIVIUM_LIBTORCH}/include/torch/csrc/api/include/torch/types.h")
  message(FATAL_ERROR "LibTorch: expected a folder with include/ and lib/ in TRIVIUM_LIBTORCH but got \"${TRIVIUM_LIBTORCH}\". "
                      "Run node scripts/build-native.mjs, which finds it.")
endif()
get_filename_component(TRIVIUM_LIBTORCH "${TRIVIUM_LIBTORCH}" REALPATH)

set(version_header "${TRIVIUM_LIBTORCH}/include/torch/headeronly/version.h")
if(NOT EXISTS "${version_header}")
  set(version_header "${TRIVIUM_LIBTORCH}/include/torch/csrc/api/include/torch/version.h")
endif()
file(STRINGS "${version_header}" version_line REGEX "define TORCH_VERSION_(MAJOR|MINOR)")
string(REGEX MATCH "TORCH_VERSION_MAJOR ([0-9]+)" _ "${version_line}")
set(libtorch_major ${CMAKE_MATCH_1})
string(REGEX MATCH "TORCH_VERSION_MINOR ([0-9]+)" _ "${version_line}")
set(libtorch_version "${libtorch_major}.${CMAKE_MATCH_1}")
if(libtorch_version VERSION_LESS TRIVIUM_LIBTORCH_OLDEST OR libtorch_version VERSION_GREATER TRIVIUM_LIBTORCH_NEWEST)
  message(FATAL_ERROR "LibTorch: expected ${TRIVIUM_LIBTORCH_OLDEST} … ${TRIVIUM_LIBTORCH_NEWEST} but ${TRIVIUM_LIBTORCH} is "
                      "${libtorch_version}. Set LIBTORCH to another copy.")
endif()

# In CUDA code too: nvcc must not warn about LibTorch's headers either.
add_library(libtorch INTERFACE)
target_include_directories(libtorch SYSTEM INTERFACE
  "${TRIVIUM_LIBTORCH}/include" "${TRIVIUM_LIBTORCH}/include/torch/csrc/api/include")
target_link_directories(libtorch INTERFACE "${TRIVIUM_LIBTORCH}/lib")
target_link_libraries(libtorch INTERFACE torch_cpu c10)

# Relative for the copy below .libtorch/, so that the checkout may be moved. The addon lies in build/Release.
set(TRIVIUM_RPATH "${TRIVIUM_LIBTORCH}/lib")
set(TRIVIUM_ADDON_RPATH "${TRIVIUM_RPATH}")
if(TRIVIUM_LIBTORCH STREQUAL "${CMAKE_SOURCE_DIR}/.libtorch/torch")
  set(TRIVIUM_ADDON_RPATH "$ORIGIN/../../.libtorch/torch/lib")
endif()

set(TRIVIUM_NVCC OFF)
if(EXISTS "${TRIVIUM_LIBTORCH}/lib/libtorch_cuda.so")
  # --no-as-needed: nothing names a symbol of torch_cuda, its constructors register the CUDA kernels.
  target_link_options(libtorch INTERFACE "LINKER:--no-as-needed")
  target_link_libraries(libtorch INTERFACE torch_cuda c10_cuda)
  # The wheels of CUDA's own libraries lie beside torch's, whose libraries find them there. A header that they lack (they come in
  # several packages) may be in a toolkit of the system.
  file(GLOB cuda_library_folders "${TRIVIUM_LIBTORCH}/../nvidia/*/lib")
  file(GLOB cuda_include_folders "${TRIVIUM_LIBTORCH}/../nvidia/*/include")
  foreach(folder ${cuda_library_folders})
    target_link_options(libtorch INTERFACE "LINKER:-rpath-link,${folder}")
  endforeach()
  # What is not installed beside it is needed on the machine that runs it, not here.
  target_link_options(libtorch INTERFACE "LINKER:--allow-shlib-undefined")

  find_program(nvcc_path nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda ${TRIVIUM_LIBTORCH}/../nvidia/cu13 PATH_SUFFIXES bin)
  find_path(cuda_headers cuda_runtime_api.h
    PATHS ${cuda_include_folders} ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda PATH_SUFFIXES include NO_DEFAULT_PATH)
  # cuda_runtime.h includes them, and they come with the compiler.
  get_filename_component(nvcc_folder "${nvcc_path}" DIRECTORY)
  find_path(cuda_compiler_headers crt/host_config.h
    PATHS ${cuda_include_folders} "${nvcc_folder}/../include" ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda
    PATH_SUFFIXES include NO_DEFAULT_PATH)
  if(cuda_headers AND cuda_compiler_headers)
    target_include_directories(libtorch SYSTEM INTERFACE "${cuda_headers}" ${cuda_include_folders} "${cuda_compiler_headers}")
    target_compile_definitions(libtorch INTERFACE TRIVIUM_CUDA)
    if(nvcc_path)
      set(TRIVIUM_NVCC "${nvcc_path}")
    endif()
  endif()
  message(STATUS "LibTorch ${libtorch_version} (CUDA) in ${TRIVIUM_LIBTORCH}; headers: ${cuda_headers}, ${cuda_compiler_headers}; nvcc: ${nvcc_path}")
else()
  message(STATUS "LibTorch ${libtorch_version} (CPU) in ${TRIVIUM_LIBTORCH}")
endif()
