// The pages and other large parts arrive as chunks when they are asked for. A node that is away is waited for. One that was
// upgraded under an open page has other chunks: only a new page gets them.

import { whenAnswering } from './connection'

/** The node answers and no longer has a chunk. */
export class ChunkGone extends Error {
  constructor() {
    super('This node was upgraded and has another version of this page.')
    this.name = 'ChunkGone'
  }
}

/** Set for a while after a reload, so that a chunk that is missing for good does not reload for ever. */
const RELOADED = 'horolog.reloaded'
const RELOAD_PAUSE_MILLIS = 10_000

/** Makes `get`, an `import()`, wait for the node; throws ChunkGone when the node is there and the chunk is not. */
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
 * Loads the page again for what is gone; returns whether it does. Only for a part that is shown: a hint of the pointer
 * that fetches a page in advance must not end the one that is open.
 */
export function reloadIfGone(error: unknown): boolean {
  if (!(error instanceof ChunkGone)) return false
  const reloaded = Number(sessionStorage.getItem(RELOADED) ?? 0)
  if (Date.now() - reloaded < RELOAD_PAUSE_MILLIS) return false
  sessionStorage.setItem(RELOADED, String(Date.now()))
  location.reload()
  return true
}
