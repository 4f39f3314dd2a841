const names = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'NO_PROXY'] as const;

/** The proxy settings in force as `NAME=value` lines, user names and passwords blotted out. */
export function proxySettings(env: NodeJS.ProcessEnv): string[] {
  return names.flatMap((name) =>
    // Both spellings are read in the wild; curl and pip prefer the small one.
    [name.toLowerCase(), name]
      .filter((spelling) => (env[spelling] ?? '') !== '')
      .map((spelling) => `${spelling}=${withoutCredentials(env[spelling] ?? '')}`),
  );
}

// Everything between the scheme and the last @, whether or not it parses as a URL.
function withoutCredentials(value: string): string {
  return value.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, '$1***@');
}
