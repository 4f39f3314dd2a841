// node-addon-api with the switches that keep a C++ exception from ending the process.
#pragma once

// Without _ALL, a std::runtime_error, std::bad_alloc or int thrown in a binding aborts Node;
// without _SWALLOW, any exception while an environment ends does (RELIABILITY 6.1, 6.2).
#if !defined(NODE_ADDON_API_CPP_EXCEPTIONS_ALL)
#error "compile with NODE_ADDON_API_CPP_EXCEPTIONS_ALL: a C++ exception would abort the process"
#endif
#if !defined(NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS)
#error "compile with NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS: a terminated worker would abort"
#endif
#if !defined(NAPI_VERSION) || NAPI_VERSION < 9
#error "compile with NAPI_VERSION 9: one binary for Node 20, 22 and 24"
#endif

#include <napi.h>
