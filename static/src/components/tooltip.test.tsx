import { act, fireEvent, render, screen, waitFor } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import { Tooltip, TooltipLayer } from './tooltip'

function show(children = <Tooltip content="exactly then">{<button type="button">then</button>}</Tooltip>) {
  return render(
    <>
      {children}
      <TooltipLayer />
    </>,
  )
}

test('what the pointer rests on says more, and Escape takes it away', async () => {
  vi.useFakeTimers()
  show()
  const button = screen.getByRole('button')
  fireEvent.pointerEnter(button, { pointerType: 'mouse' })
  expect(screen.queryByRole('tooltip')).toBeNull()
  act(() => void vi.advanceTimersByTime(1_000))
  const hint = screen.getByRole('tooltip')
  expect(hint.textContent).toBe('exactly then')
  expect(button.getAttribute('aria-describedby')).toBe(hint.id)
  fireEvent.keyDown(button, { key: 'Escape' })
  expect(screen.queryByRole('tooltip')).toBeNull()
  expect(button.hasAttribute('aria-describedby')).toBe(false)
  vi.useRealTimers()
})

test('the pointer may go from an element to its hint, and the hint ends with both', async () => {
  vi.useFakeTimers()
  show()
  const button = screen.getByRole('button')
  fireEvent.pointerEnter(button, { pointerType: 'mouse' })
  act(() => void vi.advanceTimersByTime(1_000))
  fireEvent.pointerLeave(button)
  fireEvent.pointerEnter(screen.getByRole('tooltip'))
  act(() => void vi.advanceTimersByTime(1_000))
  expect(screen.getByRole('tooltip')).toBeTruthy()
  fireEvent.pointerLeave(screen.getByRole('tooltip'))
  act(() => void vi.advanceTimersByTime(1_000))
  expect(screen.queryByRole('tooltip')).toBeNull()
  vi.useRealTimers()
})

test('a finger does not rest, and a hint goes with its element', async () => {
  vi.useFakeTimers()
  const { rerender } = show()
  fireEvent.pointerEnter(screen.getByRole('button'), { pointerType: 'touch' })
  act(() => void vi.advanceTimersByTime(1_000))
  expect(screen.queryByRole('tooltip')).toBeNull()
  fireEvent.pointerEnter(screen.getByRole('button'), { pointerType: 'mouse' })
  act(() => void vi.advanceTimersByTime(1_000))
  expect(screen.getByRole('tooltip')).toBeTruthy()
  vi.useRealTimers()
  rerender(
    <>
      {null}
      <TooltipLayer />
    </>,
  )
  await waitFor(() => expect(screen.queryByRole('tooltip')).toBeNull())
})
