// Hints for the element under the pointer or with the focus. There is one for the whole page, created on demand: a list
// has hundreds of elements that can have one.

import {
  cloneElement,
  type FocusEvent,
  type PointerEvent,
  type ReactElement,
  type ReactNode,
  useEffect,
  useLayoutEffect,
  useRef,
  useSyncExternalStore,
} from 'react'

/** Time on an element before its hint appears, in milliseconds; none shortly after another hint. */
const DELAY_MILLIS = 350
const SKIP_DELAY_MILLIS = 200
/** Time to move the pointer from the element to its hint, in milliseconds. */
const LEAVE_MILLIS = 100
/** Space between the hint, its element and the edges of the window, in pixels. */
const GAP = 4
const EDGE = 8
const HINT_ID = 'hint'

interface Hint {
  element: Element
  content: ReactNode
}

let hint: Hint | null = null
let hiddenAt = Number.NEGATIVE_INFINITY
let timer: ReturnType<typeof setTimeout> | undefined
const listeners = new Set<() => void>()

function change(next: Hint | null) {
  clearTimeout(timer)
  if (next === hint) return
  hint?.element.removeAttribute('aria-describedby')
  next?.element.setAttribute('aria-describedby', HINT_ID)
  if (!next) hiddenAt = performance.now()
  hint = next
  for (const listener of listeners) listener()
}

const hide = () => change(null)

function changeAfter(millis: number, next: Hint | null) {
  clearTimeout(timer)
  timer = setTimeout(() => change(next), millis)
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

/** The events of an element with a hint. */
interface Heard {
  onPointerEnter?: (event: PointerEvent) => void
  onPointerLeave?: (event: PointerEvent) => void
  onPointerDown?: (event: PointerEvent) => void
  onFocus?: (event: FocusEvent) => void
  onBlur?: (event: FocusEvent) => void
}

/**
 * Additional information about one element. It must not be necessary for the use of the page; it is rendered outside of
 * the router.
 */
export function Tooltip({ content, children }: { content: ReactNode; children: ReactElement<Heard> }) {
  return cloneElement(children, {
    onPointerEnter: ({ currentTarget, pointerType }) => {
      // A finger does not rest.
      if (pointerType === 'touch') return
      const isNext = performance.now() - hiddenAt < SKIP_DELAY_MILLIS
      changeAfter(hint || isNext ? 0 : DELAY_MILLIS, { element: currentTarget, content })
    },
    onPointerLeave: () => changeAfter(LEAVE_MILLIS, null),
    onPointerDown: hide,
    onFocus: ({ currentTarget }) => {
      if (currentTarget.matches(':focus-visible')) change({ element: currentTarget, content })
    },
    onBlur: hide,
  })
}

/** The place of the hint; once on the page. */
export function TooltipLayer() {
  const shown = useSyncExternalStore(subscribe, () => hint)
  return shown && <TooltipBox {...shown} />
}

function TooltipBox({ element, content }: Hint) {
  const box = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    const drawn = box.current
    if (!drawn) return
    // Above a dialog, which is above everything else.
    drawn.showPopover?.()
    const { left, width, top, bottom } = element.getBoundingClientRect()
    const above = top - drawn.offsetHeight - GAP
    drawn.style.top = `${above < EDGE ? bottom + GAP : above}px`
    const middle = left + width / 2 - drawn.offsetWidth / 2
    drawn.style.left = `${Math.max(EDGE, Math.min(middle, innerWidth - drawn.offsetWidth - EDGE))}px`
  }, [element])

  useEffect(() => {
    const press = (event: KeyboardEvent) => event.key === 'Escape' && hide()
    const heard = new AbortController()
    const { signal } = heard
    addEventListener('keydown', press, { signal })
    addEventListener('scroll', hide, { signal, capture: true, passive: true })
    // An element that is removed sends no event.
    const gone = new MutationObserver(() => element.isConnected || hide())
    gone.observe(document.body, { childList: true, subtree: true })
    if (!element.isConnected) hide()
    return () => {
      heard.abort()
      gone.disconnect()
    }
  }, [element])

  return (
    <div
      ref={box}
      id={HINT_ID}
      role="tooltip"
      popover="manual"
      onPointerEnter={() => clearTimeout(timer)}
      onPointerLeave={() => changeAfter(LEAVE_MILLIS, null)}
      className="fixed inset-auto z-50 m-0 w-max max-w-xs rounded-md border bg-raised px-2.5 py-1.5 text-ink text-xs shadow-pop"
    >
      {content}
    </div>
  )
}
