// One question before what cannot be undone, or what reaches many jobs.

import { createContext, type ReactNode, useCallback, useContext, useRef, useState } from 'react'
import { Button } from './button'
import { Dialog, FIRST } from './dialog'
import { TextField } from './field'

export interface Question {
  title: string
  /** What will happen, in a sentence or two. */
  text: ReactNode
  /** The command itself, as the button says it. */
  action: string
  danger?: boolean
  /** The other button. Default: "Cancel"; a question about a cancellation needs another word. */
  keep?: string
  /** Asks for a text besides, such as a reason. */
  input?: { label: string; placeholder?: string }
}

/** The text that was asked for (empty without one), or null for no. */
export type Answer = string | null

const ConfirmContext = createContext<(question: Question) => Promise<Answer>>(() => Promise.resolve(null))

/** Asks the person; resolves when there is an answer. */
export const useConfirm = () => useContext(ConfirmContext)

/** Holds the question that is being asked. */
export function Confirm({ children }: { children: ReactNode }) {
  const [question, setQuestion] = useState<Question | null>(null)
  const [text, setText] = useState('')
  const resolve = useRef<(answer: Answer) => void>(() => {})

  const ask = useCallback((next: Question) => {
    resolve.current(null)
    setText('')
    setQuestion(next)
    return new Promise<Answer>((settle) => {
      resolve.current = settle
    })
  }, [])
  const settle = (answer: Answer) => {
    resolve.current(answer)
    setQuestion(null)
  }

  return (
    <ConfirmContext value={ask}>
      {children}
      <Dialog
        open={question !== null}
        onClose={() => settle(null)}
        title={question?.title ?? ''}
        footer={
          <>
            <Button onClick={() => settle(null)} {...(!question?.input && { [FIRST]: true })}>
              {question?.keep ?? 'Cancel'}
            </Button>
            <Button kind={question?.danger ? 'danger' : 'primary'} onClick={() => settle(text)}>
              {question?.action}
            </Button>
          </>
        }
      >
        <form
          onSubmit={(event) => {
            event.preventDefault()
            settle(text)
          }}
          className="flex flex-col gap-4"
        >
          <div className="text-muted">{question?.text}</div>
          {question?.input && (
            <TextField
              label={question.input.label}
              placeholder={question.input.placeholder}
              value={text}
              maxLength={500}
              {...{ [FIRST]: true }}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </form>
      </Dialog>
    </ConfirmContext>
  )
}
