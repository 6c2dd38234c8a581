// Pages and other large parts arrive as chunks on demand. While the node is away, a chunk waits for it. A node that was
// upgraded under an open page has other chunks: only a reload gets them.

import { whenAnswering } from './connection'

/** The node answers, and does not have the chunk any more. */
export class ChunkGone extends Error {
  constructor() {
    super('This node was upgraded and has another version of this page.')
    this.name = 'ChunkGone'
  }
}

/** Set for a while after a reload: a chunk that is missing for good must not cause endless reloads. */
const RELOADED = 'horolog.reloaded'
const RELOAD_PAUSE_MILLIS = 10_000

/** Makes `get`, an `import()`, wait for the node. Throws ChunkGone for a missing chunk. */
export function loadChunk<Module>(get: () => Promise<Module>): () => Promise<Module> {
  return async () => {
    try {
      return await get()
    } catch {
      await whenAnswering()
      return get().catch(() => {
        throw new ChunkGone()
      })
    }
  }
}

/**
 * Reloads the page for a missing chunk; returns whether it does. Only for a part that is shown: a prefetch under the
 * pointer must not close the open page.
 */
export function reloadIfGone(error: unknown): boolean {
  if (!(error instanceof ChunkGone)) return false
  const reloaded = Number(sessionStorage.getItem(RELOADED) ?? 0)
  if (Date.now() - reloaded < RELOAD_PAUSE_MILLIS) return false
  sessionStorage.setItem(RELOADED, String(Date.now()))
  location.reload()
  return true
}
