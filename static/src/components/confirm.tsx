// One question before what cannot be undone, or what reaches many jobs.

import { createContext, type ReactNode, useCallback, useContext, useRef, useState } from 'react'
import { jsonFault } from '@/text/json'
import { Button } from './button'
import { Tick } from './checkbox'
import { Dialog, FIRST } from './dialog'
import { TextArea, TextField } from './field'

export interface Question {
  title: string
  /** What will happen, in a sentence or two. */
  text: ReactNode
  /** The command itself, as the button says it. */
  action: string
  danger?: boolean
  /** The other button. Default: "Cancel"; a question about a cancellation needs another word. */
  keep?: string
  /** Asks for a text besides: a line such as a reason, or JSON. */
  input?: { label: string; placeholder?: string; hint?: string; json?: true; value?: string }
  /** Offers something besides; told whether it was ticked when the answer is yes. */
  tick?: { label: string; onAnswer: (ticked: boolean) => void }
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
  const [ticked, setTicked] = useState(false)
  const resolve = useRef<(answer: Answer) => void>(() => {})

  const ask = useCallback((next: Question) => {
    resolve.current(null)
    setText(next.input?.value ?? '')
    setTicked(false)
    setQuestion(next)
    return new Promise<Answer>((settle) => {
      resolve.current = settle
    })
  }, [])
  const input = question?.input
  const fault = input?.json && jsonFault(text)
  const settle = (answer: Answer) => {
    if (answer !== null) question?.tick?.onAnswer(ticked)
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
            <Button onClick={() => settle(null)} {...(!input && { [FIRST]: true })}>
              {question?.keep ?? 'Cancel'}
            </Button>
            <Button
              kind={question?.danger ? 'danger' : 'primary'}
              disabled={fault !== undefined}
              onClick={() => settle(text)}
            >
              {question?.action}
            </Button>
          </>
        }
      >
        <form
          onSubmit={(event) => {
            event.preventDefault()
            if (fault === undefined) settle(text)
          }}
          className="flex flex-col gap-4"
        >
          <div className="text-muted">{question?.text}</div>
          {input?.json ? (
            <TextArea
              label={input.label}
              hint={input.hint}
              error={fault}
              rows={10}
              value={text}
              spellCheck={false}
              className="font-mono"
              {...{ [FIRST]: true }}
              onChange={(event) => setText(event.target.value)}
            />
          ) : (
            input && (
              <TextField
                label={input.label}
                placeholder={input.placeholder}
                hint={input.hint}
                value={text}
                maxLength={500}
                {...{ [FIRST]: true }}
                onChange={(event) => setText(event.target.value)}
              />
            )
          )}
          {question?.tick && <Tick label={question.tick.label} checked={ticked} onChange={setTicked} />}
        </form>
      </Dialog>
    </ConfirmContext>
  )
}
