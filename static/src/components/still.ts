// Lists that do not move under the pointer.

import { type FocusEvent, type PointerEvent, useRef, useState } from 'react'
import { heldRows } from '@/api/still'

/** Handlers that track whether the pointer or the focus is in an element. A finger does not rest. */
export function usePointed() {
  const [pointed, setPointed] = useState(false)
  const [focused, setFocused] = useState(false)
  const element = useRef<Element>(null)
  const handlers = {
    onPointerEnter: (event: PointerEvent) => setPointed(event.pointerType === 'mouse'),
    onPointerLeave: () => setPointed(false),
    onFocus: (event: FocusEvent) => {
      element.current = event.currentTarget
      setFocused(event.target !== event.currentTarget)
    },
    onBlur: (event: FocusEvent) => setFocused(event.currentTarget.contains(event.relatedTarget)),
  }
  // The focused element may have been removed, without an event.
  const within = focused && (element.current?.contains(document.activeElement) ?? false)
  return [pointed || within, handlers] as const
}

/** Rows that keep their places while the pointer is on them. */
export function useStillRows<Row>(rows: readonly Row[], keyOf: (row: Row) => string) {
  const [pointed, handlers] = usePointed()
  const [kept, setKept] = useState<readonly Row[] | null>(null)
  if (pointed && !kept) setKept(rows)
  if (!pointed && kept) setKept(null)
  return [pointed && kept ? heldRows(kept, rows, keyOf) : rows, handlers] as const
}
