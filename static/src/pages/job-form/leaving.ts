// A question before the user leaves a form with unsaved values.

import { useBlocker } from '@tanstack/react-router'
import { useRef } from 'react'
import { useConfirm } from '@/components/confirm'

/** Asks before a page is left; returns a function that allows the next step, such as the one after a save. */
export function useLeaving(unsaved: boolean): () => void {
  const ask = useConfirm()
  const free = useRef(false)
  useBlocker({
    shouldBlockFn: async ({ current, next }) => {
      if (!unsaved || free.current || current.pathname === next.pathname) return false
      const leave = await ask({
        title: 'Leave without saving?',
        text: 'What you typed is lost.',
        action: 'Leave',
        keep: 'Stay',
        danger: true,
      })
      return leave === null
    },
    // The browser's own question, when the tab is closed or loaded again.
    enableBeforeUnload: () => unsaved && !free.current,
  })
  return () => {
    free.current = true
  }
}
