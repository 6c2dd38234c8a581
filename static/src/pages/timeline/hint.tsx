// One hint and one listener for all marks: one for each of a thousand would make scrolling slow.

import { useNavigate, useRouter } from '@tanstack/react-router'
import { type RefObject, useEffect, useMemo, useState } from 'react'

/** The path before the id of an execution. */
export function useExecutionPath(): string {
  const router = useRouter()
  return useMemo(() => {
    const { publicHref } = router.buildLocation({ to: '/executions/$executionId', params: { executionId: '-' } })
    return router.history.createHref(publicHref).replace(/-$/, '')
  }, [router])
}

interface ShownHint {
  text: string
  left: number
  top: number
  above: boolean
}

const WIDTH = 288
const HEIGHT = 96

/**
 * Follows the link of a mark, moves the focus by arrow keys, and shows the hint of the mark under the pointer or with
 * the focus.
 */
export function MarkHint({ box }: { box: RefObject<HTMLElement | null> }) {
  const [shown, setShown] = useState<ShownHint | null>(null)
  const navigate = useNavigate()
  useEffect(() => {
    const element = box.current
    if (!element) return
    const hide = () => setShown(null)
    const show = (event: Event) => {
      const mark = markOf(event)
      setShown(mark && placed(mark))
    }
    const go = (event: MouseEvent) => {
      const mark = markOf(event)
      if (!mark || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
      event.preventDefault()
      void navigate({ to: '/executions/$executionId', params: { executionId: mark.dataset.mark ?? '' } })
    }
    const press = (event: KeyboardEvent) => {
      if (event.key === 'Escape') hide()
      else if (event.key.startsWith('Arrow')) moveFocus(event)
    }
    const heard = new AbortController()
    const { signal } = heard
    element.addEventListener('pointerover', show, { signal })
    element.addEventListener('pointerleave', hide, { signal })
    element.addEventListener('focusin', show, { signal })
    element.addEventListener('focusout', hide, { signal })
    element.addEventListener('scroll', hide, { signal, capture: true, passive: true })
    element.addEventListener('click', go, { signal })
    element.addEventListener('keydown', press, { signal })
    return () => heard.abort()
  }, [box, navigate])
  if (!shown) return null
  return (
    <div
      aria-hidden
      className="pointer-events-none fixed z-50 w-72 whitespace-pre-line rounded-md border bg-raised px-2.5 py-1.5 text-ink text-xs shadow-pop first-line:font-medium"
      style={{ left: shown.left, top: shown.top, transform: shown.above ? 'translateY(-100%)' : undefined }}
    >
      {shown.text}
    </div>
  )
}

const markOf = (event: Event) => (event.target as Element).closest<HTMLElement>('[data-mark]')

function placed(mark: HTMLElement): ShownHint {
  const { left, width, top, bottom } = mark.getBoundingClientRect()
  const above = bottom + HEIGHT > innerHeight
  return {
    text: mark.getAttribute('aria-label') ?? '',
    left: Math.max(8, Math.min(left + width / 2 - WIDTH / 2, innerWidth - WIDTH - 8)),
    top: above ? top - 6 : bottom + 6,
    above,
  }
}

/** Left and right to the next mark of a job, up and down to the nearest mark of the next job with marks. */
function moveFocus(event: KeyboardEvent) {
  const mark = markOf(event)
  const row = mark?.closest('[role=row]')
  if (!mark || !row) return
  event.preventDefault()
  const marksOf = (element: Element) => [...element.querySelectorAll<HTMLElement>('[data-mark]')]
  const marks = marksOf(row)
  const index = marks.indexOf(mark)
  if (event.key === 'ArrowLeft') return marks[index - 1]?.focus()
  if (event.key === 'ArrowRight') return marks[index + 1]?.focus()
  const step = event.key === 'ArrowUp' ? 'previousElementSibling' : 'nextElementSibling'
  const middle = (one: HTMLElement) => one.offsetLeft + one.offsetWidth / 2
  const distance = (one: HTMLElement) => Math.abs(middle(one) - middle(mark))
  for (let next = row[step]; next; next = next[step]) {
    const [nearest] = marksOf(next).toSorted((a, b) => distance(a) - distance(b))
    if (nearest) return nearest.focus()
  }
}
