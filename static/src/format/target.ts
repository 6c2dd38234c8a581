// The target of a job in a line. The stored target is JSON with the kind as its one key, or the kind alone.

/** "POST https://example.com/", "Handler report", "Log line", "Nothing". */
export function describeTarget(target: unknown): string {
  if (typeof target === 'string') return KINDS[target] ?? target
  const [kind = '', fields] =
    Object.entries((target ?? {}) as Record<string, { method?: string; url?: string; name?: string }>)[0] ?? []
  if (kind === 'handler') return `Handler ${fields?.name ?? ''}`
  return fields?.url ? `${fields.method ?? 'POST'} ${fields.url}` : (KINDS[kind] ?? kind)
}

const KINDS: Record<string, string> = { log: 'Log line', noop: 'Nothing' }
