// Parts that the first screen does not need. Each is a chunk, loaded on first use or when the page is idle.

import { type ComponentType, useEffect, useEffectEvent, useState } from 'react'
import { loadChunk } from './chunks'

/** Time without loading after the first screen, in milliseconds. */
const QUIET_MILLIS = 2_000

/** A part; null before it has arrived. `onMissing` gets the reason when a wanted part cannot arrive. */
export function useLazyPart<Props>(
  get: () => Promise<{ default: ComponentType<Props> }>,
  wanted: boolean,
  onMissing: (error: unknown) => void,
): ComponentType<Props> | null {
  const [part, setPart] = useState<ComponentType<Props> | null>(null)
  const load = useEffectEvent(async () => {
    const { default: arrived } = await loadChunk(get)()
    setPart(() => arrived)
  })
  const miss = useEffectEvent(onMissing)
  useEffect(() => {
    if (wanted) load().catch((error) => miss(error))
  }, [wanted])
  useEffect(() => {
    const timer = setTimeout(() => load().catch(() => {}), QUIET_MILLIS)
    return () => clearTimeout(timer)
  }, [])
  return part
}
