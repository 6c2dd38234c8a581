// Parts of the page that the first screen does not need: each is a chunk that arrives when it is first wanted, or while nothing
// else is to do.

import { type ComponentType, useEffect, useEffectEvent, useState } from 'react'
import { loadChunk } from './chunks'

/** How long the first screen is left alone, in milliseconds. */
const QUIET_MILLIS = 2_000

/** A part, or null as long as it has not arrived. `onMissing` is told why it cannot arrive although it is wanted. */
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
